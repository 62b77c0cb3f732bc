"""Dashboard and alert rules are right by Prometheus' own tool, and name only metrics of the catalogue."""
import json
import pathlib
import re
import subprocess

import alert_cases
import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_USAGE

PROMTOOL = harness.prometheus("promtool")
TOPOLOGY = harness.ROOT / "examples" / "breast_cancer" / "topology.json"


def parse_rules(text):
    """The rules of our own YAML: by name of the alert, its fields with those of labels and annotations."""
    rules = {}
    for block in text.split("  - alert: ")[1:]:
        name, *lines = block.splitlines()
        fields = [line.strip().split(": ", 1) for line in lines if ": " in line]
        rules[name] = {key: json.loads(value) if value.startswith('"') else value for key, value in fields}
    return rules


def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


class MonitoringFiles(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        listed = self.anabranch("metrics", "--format", "json", code=EXIT_OK).stdout
        self.catalogue = {metric["name"]: metric for metric in json.loads(listed)["metrics"]}

    def promtool(self, *args):
        done = subprocess.run([PROMTOOL, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def assert_known(self, expression):
        """Every name in it is a metric, or a series of a histogram; every label that it uses is one of the metric's."""
        names = re.findall(r"\b(?:anabranch|process)_\w+", expression)
        self.assertTrue(names, expression)
        for name in names:
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in self.catalogue:
                self.assertIn(base, self.catalogue, expression)
                self.assertEqual(self.catalogue[base]["type"], "histogram", expression)
        labels = set().union(*(self.catalogue[n if n in self.catalogue else re.sub(r"_(bucket|sum|count)$", "", n)]
                               ["labels"] for n in names)) | {"instance", "job", "le", "__name__"}
        used = set(re.findall(r"(\w+)=~?\"", expression))
        for group in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
            used |= set(group.split(", "))
        self.assertLessEqual(used, labels, expression)

    def test_the_dashboard_names_metrics_and_labels_of_the_catalogue(self):
        dashboard = json.loads(self.anabranch("metrics", "--grafana", code=EXIT_OK).stdout)
        self.assertGreater(len(queries(dashboard)), 30)
        for expression in queries(dashboard):
            self.assert_known(expression)
        rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
        self.assertEqual(rows, ["Verdict", "Lag", "Latency", "Nodes", "Models", "Epochs", "Dead letters", "State"])
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_dashboard_shows_every_metric(self):
        shown = " ".join(queries(json.loads(self.anabranch("metrics", "--grafana", code=EXIT_OK).stdout)))
        in_no_panel = {name for name in self.catalogue if name.startswith("anabranch_") and name not in shown}
        # Looked up when a cause is known, or a bound of an alert.
        self.assertEqual(in_no_panel, {"anabranch_source_tombstones_total", "anabranch_model_file_bytes",
                                       "anabranch_kept_rows", "anabranch_latency_target_seconds"})

    def test_panels_do_not_overlap(self):
        dashboard = json.loads(self.anabranch("metrics", "--grafana", code=EXIT_OK).stdout)
        taken = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells

    def test_the_rules_are_sound_and_fire_when_they_should(self):
        file = self.folder / "alerts.yml"
        file.write_text(self.anabranch("metrics", "--alerts", code=EXIT_OK).stdout)
        self.assertIn("11 rules found", self.promtool("check", "rules", file))
        rules = parse_rules(file.read_text())
        self.assertEqual(set(rules), {"Anabranch" + name for name in alert_cases.FIRING})
        for rule in rules.values():
            self.assert_known(rule["expr"])
            self.assertRegex(rule["command"], r"^anabranch \w+")
        tests = harness.write_json(self.folder / "tests.yml", alert_cases.rule_tests(str(file), rules))
        self.promtool("test", "rules", tests)

    def test_a_file_puts_its_topology_into_rules_and_dashboard(self):
        text = self.anabranch("metrics", "--alerts", TOPOLOGY, code=EXIT_OK).stdout
        file = self.folder / "alerts.yml"
        file.write_text(text)
        self.promtool("check", "rules", file)
        name = json.loads(pathlib.Path(TOPOLOGY).read_text())["name"]
        for rule in parse_rules(text).values():
            metrics = re.sub(r'__name__=~"[^"]*"', "", rule["expr"].replace("{__name__", "anabranch_{__name__"))
            self.assertEqual(metrics.count(f'topology="{name}"'), len(re.findall(r"\banabranch_", metrics)), metrics)
            self.assertIn(str(TOPOLOGY), rule["command"])
        dashboard = json.loads(self.anabranch("metrics", "--grafana", TOPOLOGY, code=EXIT_OK).stdout)
        self.assertEqual(dashboard["templating"]["list"][1]["current"]["value"], name)

    def test_wrong_usage_is_refused(self):
        self.anabranch("metrics", "--grafana", "--alerts", code=EXIT_USAGE)
        self.anabranch("metrics", "--alerts", self.folder / "none.json", code=EXIT_FAULTY)


class Explained(harness.PipelineCase):
    def test_a_metric_and_its_series_are_topics_of_explain(self):
        for topic in ("anabranch_commit_seconds", "anabranch_commit_seconds_bucket"):
            shown = self.anabranch("explain", topic, code=EXIT_OK).stdout
            self.assertIn("labels: `topology`, `target`", shown)
        run = self.anabranch("explain", "anabranch_comit_seconds", code=EXIT_USAGE)
        self.assertIn('did you mean "anabranch_commit_seconds"?', run.stderr)
        self.anabranch("explain", "anabranch_state_bucket", code=EXIT_USAGE)


if __name__ == "__main__":
    harness.main()
