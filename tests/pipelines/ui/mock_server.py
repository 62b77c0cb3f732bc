"""A server with the page and made-up answers of any size, for tests of the page alone.

It answers the routes that the page asks, under the page's own policy. It shares no code with the program:
test_page_of_a_run.py holds its answers to those of a real run, so that nothing is made up here. `python3 mock_server.py` serves a lively pipeline to look at.
"""
import http.server
import json
import pathlib
import random
import sys
import threading
import time
import urllib.parse

UI = pathlib.Path(__file__).resolve().parents[3] / "topologies" / "ui"
TOKEN = "a-token-of-the-mock"
POLICY = ("default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
         ".svg": "image/svg+xml", ".json": "application/json"}


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


def payments():
    """Eight stages, one of each kind."""
    def stage(name, kind, inputs, **more):
        return {"id": name, "kind": kind, "inputs": inputs, "makes": [], "config": {"kind": kind, "inputs": inputs},
                "description": "", "expensive": False, "target": None, **more}
    kafka = {"connector": "kafka", "describe": "topic payments.scored",
             "guarantee": "exactly once: results and positions are in one transaction"}
    table = {"connector": "sqlite", "describe": "table scores in scores.db",
             "guarantee": "exactly once: rows and progress are in one transaction"}
    return [
        stage("payments", "source", [], connector="kafka", describe="topic payments",
              makes=[{"column": "card", "type": "string"}, {"column": "amount", "type": "float64"}],
              config={"kafka": {"topics": ["payments"], "sasl.password": "***"}, "format": "json"}),
        stage("check", "validate", ["payments"], config={"rules": {"sane_amount": "amount < 1e6"}}),
        stage("feat", "transform", ["check"], makes=[{"column": "log_amount", "type": "float64"}, {"column": "is_home", "type": "bool"}],
              config={"set": {"log_amount": "log1p(amount)", "is_home": "country == home"}}),
        stage("gbt", "infer", ["feat"], model="gbt@7", reads=["log_amount", "is_home"], when="amount > 50", expensive=True,
              makes=[{"column": "p_gbt", "type": "float32"}], config={"model": "gbt", "features": ["log_amount", "is_home"]}),
        stage("nn", "infer", ["feat"], model="nn@3", reads=["log_amount"], makes=[{"column": "p_nn", "type": "float32"}]),
        stage("vote", "ensemble", ["gbt", "nn"], makes=[{"column": "score", "type": "float64"}], config={"method": "mean"}),
        stage("out", "persist", ["vote"], target=kafka),
        stage("table", "persist", ["vote"], target=table),
    ]


def wide(count, seed=1):
    """A DAG of `count` stages in layers, as a large project has it."""
    dice = random.Random(seed)
    stages, layer = [], []
    kinds = ["validate", "transform", "infer", "transform", "ensemble", "persist"]
    while len(stages) < count:
        depth = len({s["layer"] for s in stages})
        kind = "source" if depth == 0 else kinds[(depth - 1) % len(kinds)]
        size = min(count - len(stages), 2 if depth == 0 else dice.randint(4, 9))
        above, layer = layer, []
        for _ in range(size):
            name = f"{kind}_{len(stages):03d}"
            inputs = sorted(dice.sample(above, min(len(above), dice.randint(1, 2)))) if above else []
            layer.append(name)
            stages.append({"id": name, "kind": kind, "inputs": inputs, "makes": [], "config": {"kind": kind}, "layer": depth,
                           "description": "", "expensive": False,
                           "target": {"connector": "kafka", "describe": "topic " + name, "guarantee": "exactly once"}
                           if kind == "persist" else None})
    return stages


class Mock:
    """A pipeline that only answers. Tests change its members; `beat` is the time since it began, in seconds."""

    def __init__(self, stages=None, runs=40, secret=TOKEN):
        self.stages = stages or payments()
        self.secret = secret
        self.began = time.time() - 7200
        self.beat = 0
        self.moves = False  # each snapshot is a second later
        self.closed = False  # numbers need the token too, as beyond loopback
        self.dead = False   # connections are closed without an answer
        self.failure = None
        self.letters = []
        self.pipelines = [{"id": "self", "name": "payments", "dir": "", "live": True, "state": "running"}]
        self.posted, self.deleted = [], []
        self.run_count = runs
        self.slow = None
        self.refused = None  # why a restart is refused
        self.marks = None  # of a stage in the plan of a restart
        self.hidden = False  # the schema hides a field of every record
        self.role = "operate"  # of the token
        self.versions = None  # mock_rollout.Versions: of a model whose versions are deployed
        self.answer = None  # instead of the usual one to an order
        self.before = lambda path, query: None  # called before each answer
        self.opened = 0  # taps
        self.flows = False  # a tap goes on
        for number in range(60):
            self.letters.append({
                "id": f"payments/{number % 4}/{1000 + number}", "node": ["payments", "check", "gbt"][number % 3],
                "code": ["json", "rule", "model"][number % 3], "message": ["expected a value at byte 1",
                "rule sane_amount: amount < 1e6 is false", "the model returned NaN"][number % 3],
                "failed_at": stamp(self.began + 100 * number), "age_s": 7200 - 100 * number})

    def names(self):
        return [stage["id"] for stage in self.stages]

    def topology(self):
        return {"name": "payments", "hash": f"h{len(self.stages)}", "file": "payments.json", "delivery": "exactly_once",
                "description": "", "stages": self.stages,
                "dead_letters": {"connector": "kafka", "describe": "topic payments.dlq", "guarantee": "exactly once"}}

    def stage_numbers(self, number, stage):
        t = self.beat
        swing = ((t * 7 + number * 13) % 50) / 100
        rate = 1200 + t * 7 % 50 - (400 if stage["id"] == "gbt" else 0)
        cascade = (self.failure or {}).get("cascade", [])
        state = "busy" if stage["kind"] == "infer" else "running"
        if self.failure:
            state = "failed" if stage["id"] == self.failure["stage"] else "skipped" if stage["id"] in cascade else "waiting"
        bad = 3 + t // 60 if stage["id"] in ("check", "gbt") else 0
        call = {"p50": 0.0011, "p99": 0.0034} if stage["kind"] == "infer" else None
        busy = 0.55 + swing / 5 if stage["id"] == "gbt" else 0.03
        return {"state": state, "rows_in": int(rate * t), "rows_out": int(rate * t) - bad, "filtered": 0, "skipped": 0,
                "failed": bad, "missed": 0, "defaulted": 0, "dead_lettered": bad, "retried": 0,
                "rate": 0 if self.failure else rate, "busy": busy, "level": "HIGH" if busy > 0.5 else "OK",
                "batch_rows": {"p50": 64, "p99": 128}, "batch_seconds": {"p50": 0.0008 + swing / 1000, "p99": 0.0031 + swing / 500},
                "call_rows": {"p50": 64, "p99": 64} if call else None, "call_seconds": call,
                "codes": {"model": bad} if bad else {}}

    def snapshot(self):
        self.beat += self.moves
        now = self.began + 7200 + self.beat
        stages = {stage["id"]: self.stage_numbers(i, stage) for i, stage in enumerate(self.stages)}
        verdict = {"kind": "node", "by": "gbt", "text": "node \"gbt\" is the limit: 61 % of busy time, 64 rows per call",
                   "advice": "calls of 256 rows cost half as much per row: raise batch.max_size"}
        shares = [{"state": "busy", "by": "gbt", "share": 0.61}, {"state": "starved", "by": "payments", "share": 0.2}]
        if self.slow:
            verdict = {"kind": "target", "by": self.slow, "text": f"target \"{self.slow}\" (kafka) is the limit: lanes wait 72 % of the time for it", "advice": ""}
            shares = [{"state": "blocked", "by": self.slow, "share": 0.72}, {"state": "busy", "by": "gbt", "share": 0.2}]
        partitions = [{"topic": "payments", "partition": p, "next": 1000 + self.beat, "end": 1010 + self.beat, "lag_records": 10,
                       "lag_seconds": 0.2} for p in range(4)]
        return {"topology": "payments", "hash": f"h{len(self.stages)}", "version": "0.1.0", "instance": "0",
                "state": "failed" if self.failure else "running", "since": stamp(self.began), "started": stamp(self.began),
                "now": stamp(now), "restarts": 0, "ready": not self.failure, "reasons": [], "verdict": verdict,
                "rate": {"read": 1234.5 + self.beat % 9, "committed": 1230.0 + self.beat % 7}, "lag": {"records": 40, "seconds": 0.2},
                "latency": {"p50": 0.004, "p99": 0.021}, "last_commit": stamp(now - 0.4), "failure": self.failure,
                "stages": stages, "lanes": [{"lane": lane, "source": self.names()[0], "shares": shares} for lane in range(2)],
                "sources": {self.names()[0]: {"records": 1000 * self.beat, "bytes": 200000 * self.beat, "partitions": partitions}},
                "targets": {s["id"]: {"rows": 10, "bytes": 100, "errors": {"aborted": 1}, "commit_seconds": {"p50": 0.004, "p99": 0.048},
                                      "last_commit": stamp(now - 0.4)} for s in self.stages if s["target"]},
                "kept": {"rows": 0, "bytes": 0, "limit": 4294967296}, "epochs": {"committed": self.beat, "aborted": 1, "abandoned": 0},
                "warnings": [{"at": stamp(now - 40), "text": "the broker refused a fetch", "times": 3}]}

    def runs(self):
        dice = random.Random(3)
        names, found = self.names(), []
        for number in range(self.run_count):
            failed = number % 9 == 4
            cut = dice.randrange(1, len(names)) if failed else len(names)
            after_failure = number % 9 == 3
            cells = "".join("o" if i < cut else "f" if i == cut else "s" for i in range(len(names)))
            if after_failure:
                cells = "".join("r" if i < len(names) // 2 else "c" for i in range(len(names)))
            if number % 7 == 2 and not failed:
                cells = cells[:1] + "d" + cells[2:]
            seconds = 60 + dice.random() * 240
            found.append({"id": f"r{self.run_count - number:04d}", "parent": f"r{self.run_count - number - 1:04d}" if after_failure else None,
                          "root": f"r{self.run_count - number:04d}", "started": stamp(self.began - 600 * number),
                          "ended": None if number == 0 else stamp(self.began - 600 * number + seconds),
                          "state": "running" if number == 0 else "failed" if failed else "done",
                          "cause": "model: the model returned NaN" if failed else None, "stage": names[cut] if failed else None,
                          "hash": "h8", "version": "0.1.0", "records": dice.randrange(1000, 90000), "seconds": seconds, "cells": cells})
        return {"stages": names, "runs": found, "total": 812}

    def run(self, name):
        run = next(r for r in self.runs()["runs"] if r["id"] == name)
        return {"run": run, "stages": {n: {"rows_in": 120, "rows_out": 119, "failed": 1, "dead_lettered": 1, "seconds": 0.5} for n in self.names()},
                "positions": {"payments": {f"payments/{p}": 1000 + p for p in range(4)}},
                "minutes": [{"from": stamp(self.began + 900 * i), "rows": [1200, 0, 300, 2400][i % 4], "failed": i % 3} for i in range(8)]}

    def series(self, query):
        now = int((self.began + 7200) * 1000)
        if not query.get("from", "0").isdecimal():
            raise Refused(400, "invalid", "from: expected milliseconds", "")
        level = {"p50": 0.001, "p99": 0.004, "rows": 70000, "failed": 1, "busy": 0.5}[query["metric"]]
        points = [[now - 60000 * (60 - i), None if 20 < i < 24 else level * (1 + (i * 7 % 11) / 10)] for i in range(61)]
        return {"stage": query["stage"], "metric": query["metric"], "unit": "seconds", "step": 60, "points": points}

    def restart(self):
        plan = {"from": "gbt", "stages_to_run": ["gbt", "vote", "out", "table"], "records": 12, "unclaimed": 0, "recompute": False,
                "results_reused": [{"node": "feat", "rows": 12, "bytes": 900}, {"node": "nn", "rows": 12, "bytes": 300}],
                "changes": ["model gbt: version 7, now 8"], "unchanged": False, "refused": self.refused, "token": "plan-1"}
        stages = {n: "run" if n in plan["stages_to_run"] else "reused" if n in ("feat", "nn") else "unaffected" for n in self.names()}
        if self.marks:
            stages = {stage["id"]: self.marks(stage) for stage in self.stages}
        if not self.failure:
            plan = {**plan, "from": None, "stages_to_run": [], "results_reused": [], "records": 0, "changes": [], "token": ""}
        return {"failed": bool(self.failure), "failure": self.failure, "plan": plan, "stages": stages if self.failure else {},
                "can_restart_here": True, "command": "anabranch restart payments.json"}

    def letter_groups(self):
        groups = {}
        for letter in self.letters:
            group = groups.setdefault((letter["node"], letter["code"]), {"node": letter["node"], "code": letter["code"], "count": 0,
                                      "oldest": letter["failed_at"], "newest": letter["failed_at"]})
            group["count"] += 1
            group["newest"] = letter["failed_at"]
        return {"letters": len(self.letters), "groups": list(groups.values())}

    def list_letters(self, query):
        found = [x for x in self.letters if query.get("node", x["node"]) == x["node"] and query.get("code", x["code"]) == x["code"]]
        found = found[::2] if query.get("where") else found
        if query.get("where") == "wrong(":
            raise Refused(400, "invalid", "where: expected ) at column 7", "close the bracket")
        return {"letters": found[:50], "next": None, "scanned": len(found), "total": len(self.letters)}

    def letter(self, name, query):
        letter = next(x for x in self.letters if x["id"] == name)
        masked = self.hidden and not (self.role == "operate" and query.get("reveal") == "1")
        whole = {name: letter[name] for name in ("id", "node", "code", "message", "failed_at")}
        return {**whole, "attempts": "1", "kind": "infer", "class": "model", "timestamp": 1764410400000, "key": "c1",
                "value": json.dumps({"card": "***" if masked else "c1", "amount": 1200.5, "country": "DE"}),
                "headers": [["traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]], "result_bytes": 40,
                "results": {"feat": {"log_amount": 7.09}}, **({"masked": True} if masked else {})}

    def models(self, may_read=True):
        managed = {"deployed": [self.versions.deployed(may_read)]} if self.versions else {}
        return {**managed, "models": [{"node": n, "model": n, "version": v, "sha256": "ab" * 32, "bytes": 912000, "load_seconds": 0.41,
                            "inputs": ["log_amount", "is_home"], "outputs": [f"p_{n} float32"],
                            "calls": 9120, "call_seconds": {"p50": 0.0011, "p99": 0.0034}, "call_rows": {"p50": 64, "p99": 64},
                            "curve": [[1, 0.0001], [8, 0.00003], [64, 0.00001], [256, 0.000005]]} for n, v in (("gbt", "7"), ("nn", "3"))]}

    def audit(self):
        return {"lines": [{"at": stamp(self.began), "who": "operator", "from": "127.0.0.1", "action": "restart", "what": "payments",
                           "result": "accepted"}]}

    def positions(self):
        live = self.snapshot()
        return {"sources": live["sources"], "targets": {name: {"rows": each["rows"], "bytes": each["bytes"]} for name, each in live["targets"].items()}}

    def read_tap(self, after):
        rows = [{"seq": n, "node": "gbt", "topic": "payments", "partition": n % 4, "offset": 1000 + n, "timestamp": 1764410400000 + n,
                 "key": f"c{n}", "headers": [["traceparent", "00-4bf92f35"]], "outcome": "ok",
                 "before": {"log_amount": 7.09 + n, "is_home": True}, "after": {"p_gbt": 0.68}} for n in range(1, 21) if n > after]
        return {"seen": 12400, "matched": 20, "dropped": 3, "done": not self.flows, "next": 20, "rows": rows}

    def post(self, path, body):
        self.posted.append((path, body))
        if self.answer:
            return self.answer(path, body)
        if path == "restart":
            if body.get("confirm") != "payments":
                raise Refused(409, "conflict", "the name is not that of the topology", "type payments")
            self.failure = None
            return 202, {"accepted": True}
        if path == "letters/replay":
            count = len(body["ids"]) if body.get("ids") else sum(
                body.get("all") or (body.get("node", x["node"]), body.get("code", x["code"])) == (x["node"], x["code"]) for x in self.letters)
            if not body.get("dry_run"):
                self.letters = [x for x in self.letters if x["id"] not in (body.get("ids") or [])]
                return 200, {"letters": count, "done": True}
            return 200, {"letters": count, "with_results": count - 1, "cannot": {"the node is no longer there": 1}}
        if path == "letters/skip":
            return 202, {"accepted": True}
        if path == "taps":
            self.opened += 1
            return 201, {"id": f"t{self.opened}"}
        if self.versions and path.startswith("models/gbt/"):
            return self.versions.order(path.rsplit("/", 1)[1], body)
        raise Refused(404, "not_found", f"there is no {path}", "")

    def get(self, path, query, may_read=True):
        if self.versions and path in ("models", "models/gbt/compare"):
            return (self.models if path == "models" else self.versions.compare)(may_read)
        if self.versions and path == "models/gbt/history":
            return self.versions.history()
        fixed = {"topology": self.topology, "snapshot": self.snapshot, "runs": self.runs, "restart": self.restart,
                 "models": self.models, "positions": self.positions, "letters/groups": self.letter_groups}
        if path in fixed:
            return fixed[path]()
        if path == "pipelines":
            return {"pipelines": self.pipelines}
        if path == "series":
            return self.series(query)
        if path == "audit":
            return self.audit()
        if path == "letters":
            return self.list_letters(query)
        for prefix, answer in (("runs/", self.run), ("letters/", lambda name: self.letter(name, query)), ("taps/", lambda _: self.read_tap(int(query.get("after", 0))))):
            if path.startswith(prefix):
                return answer(path[len(prefix):])
        raise Refused(404, "not_found", f"there is no {path}", "")


class Refused(Exception):
    def __init__(self, status, code, message, cure):
        super().__init__(message)
        self.status, self.body = status, {"error": {"code": code, "message": message, "cure": cure}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    mock = None

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY),
                            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                            ("Cross-Origin-Opener-Policy", "same-origin")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value):
        self.answer(status, json.dumps(value).encode(), "application/json")

    def do_any(self):
        url = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.mock.dead:
            self.close_connection = True
            return None
        path = urllib.parse.unquote(url.path)
        if not path.startswith("/api/v1/"):
            return self.file(path)
        path = path[len("/api/v1/"):]
        query = dict(urllib.parse.parse_qsl(url.query))
        try:
            known = [each["id"] for each in self.mock.pipelines]
            if path.startswith("pipelines/"):
                self.mock.before(f"{self.command} {path}", query)
                _, name, path = path.split("/", 2)
            else:
                name = "self" if path != "pipelines" else None
            if name and name not in known:
                raise Refused(404, "not_found", "there is no such pipeline", "GET /api/v1/pipelines lists them")
            closed = path.startswith(("taps", "audit")) or path.endswith("/history") or (path.startswith("letters") and path != "letters/groups") or self.command == "POST"
            given = self.headers.get("X-Anabranch-Token")
            if given not in (None, self.mock.secret):
                raise Refused(401, "wrong_token", "the token is not known", "open the page with the address that run printed")
            closed = closed or self.mock.closed
            if closed and self.headers.get("X-Anabranch-Token") != self.mock.secret:
                raise Refused(401, "no_token", "record values and changes need the token", "open the page with the address that run printed")
            if self.command == "POST" and self.mock.role != "operate" and path != "taps":
                raise Refused(403, "role", "this token may only read", "use a token with the role operate")
            self.mock.before(f"{self.command} {path}", query)
            if self.command == "POST":
                return self.json(*self.mock.post(path, json.loads(body)))
            if self.command == "DELETE":
                self.mock.deleted.append(path)
                return self.json(200, {})
            return self.json(200, self.mock.get(path, query, given == self.mock.secret))
        except Refused as refused:
            return self.json(refused.status, refused.body)

    do_GET = do_POST = do_DELETE = do_any

    def file(self, path):
        name = "index.html" if path == "/" else path.removeprefix("/ui/")
        found = (UI / name).resolve()
        if not found.is_file() or UI not in found.parents:
            return self.json(404, {"error": {"code": "not_found", "message": path, "cure": ""}})
        return self.answer(200, found.read_bytes(), TYPES.get(found.suffix, "application/octet-stream"))


class Server:
    """Serves a mock on a free port of loopback until it is closed."""

    def __init__(self, mock, port=0):
        self.mock = mock
        handler = type("MockHandler", (Handler,), {"mock": mock})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


if __name__ == "__main__":
    shown = Server(Mock(wide(int(sys.argv[1])) if len(sys.argv) > 1 else None), 8787)
    print(f"{shown.url}#t={TOKEN}", flush=True)
    while True:
        time.sleep(1)
        shown.mock.beat += 1
