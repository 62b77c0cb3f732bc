"""A real Prometheus scrapes a run: promtool finds nothing to say, every metric of the catalogue is there, and every query
of the dashboard returns data."""
import json
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import EXIT_OK
from lane_time import LaneTime

# Not in a run without errors of targets.
ABSENT = {"anabranch_target_errors_total", "anabranch_model_generation", "anabranch_model_rollout_step",
          "anabranch_model_arm_rows_total", "anabranch_model_guard", "anabranch_model_guard_limit",
          "anabranch_bandit_probability", "anabranch_bandit_rewards_total", "anabranch_bandit_reward_mean",
          "anabranch_bandit_unmatched_rewards_total"}
WINDOW = "10s"  # of rates: some scrapes


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def free_port():
    import socket
    with socket.socket() as at:
        at.bind(("127.0.0.1", 0))
        return at.getsockname()[1]


class Prometheus:
    """A Prometheus that scrapes one address each second, in a folder of its own."""

    def __init__(self, address, rules):
        self.folder = tempfile.mkdtemp(prefix="anabranch-prometheus-")
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(rules)],
                  "scrape_configs": [{"job_name": "anabranch", "static_configs": [{"targets": [address]}]}]}
        harness.write_json(harness.pathlib.Path(self.folder) / "prometheus.yml", config)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = open(f"{self.folder}/log", "wb")
        self.process = subprocess.Popen(
            [harness.prometheus("prometheus"), f"--config.file={self.folder}/prometheus.yml",
             f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address={self.url[7:]}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def query(self, expression):
        status, body = fetch(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        if status != 200:
            raise AssertionError(f"{expression}: {status} {body}")
        return json.loads(body)["data"]["result"]

    def get(self, path):
        status, body = fetch(self.url + path)
        return json.loads(body)["data"] if status == 200 else None


class Feed(threading.Thread):
    """Sends records until it is stopped: 1 of 50 breaks a rule."""

    def __init__(self, case, topic):
        super().__init__(daemon=True)
        self.case, self.topic, self.over = case, topic, threading.Event()

    def run(self):
        number = 0
        while not self.over.wait(0.05):
            self.case.broker.produce([{"topic": self.topic, "partition": n % 2, "key": f"k{n}", "value": json.dumps(
                {"id": f"k{n}", "amount": -1 if n % 50 == 7 else n % 90})} for n in range(number, number + 25)])
            number += 25

    def stop(self):
        self.over.set()
        self.join(60)


class Scraped(harness.KafkaCase):
    def setUp(self):
        super().setUp()
        self.broker.make_topics({"m.in": 2, "m.out": 2, "m.dead": 1})
        model = harness.ROOT / "tests" / "models" / "odd" / "twice.onnx"
        for path in model.parent.glob("twice*"):
            shutil.copy(path, self.folder)
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "number"}}}
        self.topology = harness.write_json(self.folder / "m.json", {
            "anabranch": 1, "name": "metrics", "schemas": {"order": order}, "batch": {"latency_target_ms": 50},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "models": {"twice": {"path": "twice.onnx", "version": "3"}},
            "sources": {"orders": {"kafka": {"topics": ["m.in"]}, "schema": "order", "key": {"field": "id"}, "time": {}}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["orders"], "rules": {"positive": "amount >= 0"}},
                "score": {"kind": "infer", "inputs": ["check"], "model": "twice", "features": ["amount"],
                          "outputs": {"y": "Y[0]"}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "m.out"}}, "fields": ["id", "y"]}},
            "dead_letters": {"kafka": {"topic": "m.dead"}}})

    def begin(self):
        feed = Feed(self, "m.in")
        feed.start()
        self.addCleanup(feed.stop)
        self.run_ = self.start("run", self.topology, "--metrics", "127.0.0.1:0")
        printed = self.wait_until("the address is printed", 60,
                                  lambda: re.search(r"http://(127\.0\.0\.1:\d+)/metrics", self.run_.stderr), run=self.run_)
        self.address = printed.group(1)
        self.wait_until("the run is ready", 60, lambda: fetch(f"http://{self.address}/readyz")[0] == 200, run=self.run_)
        rules = self.folder / "alerts.yml"
        rules.write_text(self.anabranch("metrics", "--alerts", self.topology, code=EXIT_OK).stdout)
        self.prometheus = Prometheus(self.address, rules)
        self.addCleanup(self.prometheus.close)
        self.wait_until("Prometheus has some scrapes", 60, self.scraped, run=self.run_, pause=0.2)

    def scraped(self):
        if fetch(f"{self.prometheus.url}/-/ready")[0] != 200:
            return False
        counted = self.prometheus.query(f"count_over_time(anabranch_dead_letters_total{{node=\"check\"}}[{WINDOW}])")
        return counted and float(counted[0]["value"][1]) >= 7

    def text(self):
        status, text = fetch(f"http://{self.address}/metrics")
        self.assertEqual(status, 200)
        return text

    def check_text(self, text):
        tool = subprocess.run([harness.prometheus("promtool"), "check", "metrics"], input=text, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual((tool.returncode, tool.stdout + tool.stderr), (0, ""))
        listed = json.loads(self.anabranch("metrics", "--format", "json", code=EXIT_OK).stdout)["metrics"]
        self.assertEqual({m["name"] for m in listed} - ABSENT, set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) - ABSENT)
        labels = {m["name"]: set(m["labels"]) for m in listed}
        for name, found in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
            name = name if name in labels else re.sub(r"_(bucket|sum|count)$", "", name)
            self.assertEqual(set(re.findall(r'(\w+)="', found)) - {"le"}, labels[name], name)
        self.assertNotIn("k1", text)

    def test_prometheus_reads_every_metric_and_the_dashboard_has_data(self):
        self.begin()
        self.check_text(self.text())
        targets = self.prometheus.get("/api/v1/targets")["activeTargets"]
        self.assertEqual([(t["health"], t["lastError"]) for t in targets], [("up", "")])

        dashboard = json.loads(self.anabranch("metrics", "--grafana", self.topology, code=EXIT_OK).stdout)
        queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
        self.assertGreater(len(queries), 40)
        empty = []
        for query in queries:
            query = query.replace("$topology", "metrics").replace("$__rate_interval", WINDOW)
            found = self.prometheus.query(query)
            if not any(each["value"][1] not in ("NaN", "+Inf") for each in found):
                empty.append((query, found))
        self.assertEqual(empty, [])

        LaneTime(self, self.text).check(5)
        rules = self.prometheus.get("/api/v1/rules")["groups"][0]["rules"]
        self.assertEqual([rule["health"] for rule in rules], ["ok"] * 11)
        firing = {alert["labels"]["alertname"] for alert in self.prometheus.get("/api/v1/alerts")["alerts"]
                  if alert["state"] == "firing"}
        self.assertEqual(firing, set())


if __name__ == "__main__":
    harness.main()
