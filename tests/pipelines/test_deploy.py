"""The files of examples/deploy are right by the tools of those who read them."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import kubernetes_validate
import yaml

import harness
from harness import EXIT_OK, EXIT_UNAVAILABLE

DEPLOY = harness.ROOT / "examples" / "deploy"


def documents(name):
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()))


class Kubernetes(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.parts = {document["kind"]: document for document in documents("pipeline.yaml")}
        self.pod = self.parts["StatefulSet"]["spec"]["template"]["spec"]
        self.container = self.pod["containers"][0]
        self.topology = json.loads(self.parts["ConfigMap"]["data"]["scoring.json"])
        self.file = harness.write_json(self.folder / "scoring.json", self.topology)

    def test_the_manifests_fit_the_schemas_of_kubernetes(self):
        self.assertEqual(set(self.parts), {"ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget"})
        for document in self.parts.values():
            kubernetes_validate.validate(document, "1.37", strict=True)
        self.parts["StatefulSet"]["spec"]["replica"] = 2
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(self.parts["StatefulSet"], "1.37", strict=True)

    def test_the_names_within_the_manifests_agree(self):
        labels = self.parts["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
        for part in ("StatefulSet", "PodDisruptionBudget"):
            self.assertEqual(self.parts[part]["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(self.parts["Service"]["spec"]["selector"], labels)
        self.assertEqual(self.parts["StatefulSet"]["spec"]["serviceName"], self.parts["Service"]["metadata"]["name"])
        volumes = {volume["name"] for volume in self.pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in self.parts["StatefulSet"]["spec"]["volumeClaimTemplates"]}
        self.assertEqual({mount["name"] for mount in self.container["volumeMounts"]}, volumes)
        ports = {port["name"] for port in self.container["ports"]}
        for probe, path in (("startupProbe", "/startupz"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            get = self.container[probe]["httpGet"]
            self.assertEqual(get["path"], path)
            self.assertIn(get["port"], ports)

    def test_the_topology_is_sound_and_the_arguments_are_known(self):
        environment = {"KAFKA_BROKERS": f"127.0.0.1:{harness.closed_port()}"}
        self.anabranch("check", self.file, env=environment, code=EXIT_OK)
        places = {"/pipeline/scoring.json": str(self.file), "--state-dir=/state": f"--state-dir={self.folder / 'state'}",
                  "--instance=$(POD_NAME)": "--instance=scoring-0", "--metrics=0.0.0.0:9464": "--metrics=127.0.0.1:0"}
        args = [places.get(arg, arg) for arg in self.container["args"]]
        self.assertEqual(len(set(args) & set(self.container["args"])), 2, "every place was replaced")
        run = self.anabranch(*args, env=environment, timeout=120)
        self.assertEqual(run.code, EXIT_UNAVAILABLE, run.stderr)

    def test_the_autoscaler_reads_the_lag_of_the_pipelines_group(self):
        scaled, = documents("keda.yaml")
        self.assertEqual(scaled["spec"]["scaleTargetRef"], {"apiVersion": "apps/v1", "kind": "StatefulSet",
                                                            "name": self.parts["StatefulSet"]["metadata"]["name"]})
        metadata = scaled["spec"]["triggers"][0]["metadata"]
        self.assertEqual(metadata["consumerGroup"], f"anabranch.{self.topology['name']}")
        self.assertEqual([metadata["topic"]], self.topology["sources"]["payments"]["kafka"]["topics"])
        self.assertTrue(all(isinstance(value, str) for value in metadata.values()), "KEDA takes text only")


class Systemd(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        text = (DEPLOY / "systemd" / "anabranch@.service").read_text()
        self.assertIn("ExecStart=/usr/bin/anabranch run ", text)
        self.text = text
        self.unit = pathlib.Path(self.folder) / "anabranch@.service"
        self.unit.write_text(text.replace("/usr/bin/anabranch", harness.BIN))

    def analyze(self, *args):
        done = subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_the_unit_is_sound(self):
        code, said = self.analyze("verify", str(self.unit.parent / "anabranch@payments.service"), "--man=no")
        self.assertEqual((code, said.strip()), (0, ""))

    def test_the_unit_gives_the_process_little(self):
        code, said = self.analyze("security", "--offline=yes", "--threshold=20", str(self.unit))
        self.assertEqual(code, 0, said)

    def started(self, options):
        """A process as the unit starts it: its arguments, with the places that a test has."""
        command = re.search(r"^ExecStart=(.*)$", self.text, re.MULTILINE).group(1)
        number = len(list(self.folder.glob("state*")))
        lines = self.folder / "in.jsonl"
        lines.write_text("".join(json.dumps({"id": f"r{n}", "amount": n}) + "\n" for n in range(20)))
        for path in (harness.ROOT / "tests" / "models" / "odd").glob("twice*"):
            shutil.copy(path, self.folder)
        topology = harness.write_json(self.folder / f"p{number}.json", {
            "anabranch": 1, "name": f"p{number}", "models": {"twice": {"path": "twice.onnx"}},
            "schemas": {"s": {"type": "object", "properties": {"id": {"type": "string"}, "amount": {"type": "number"}}}},
            "sources": {"in": {"file": {"path": str(lines)}, "schema": "s", "key": {"field": "id"}}},
            "nodes": {"gbt": {"kind": "infer", "inputs": ["in"], "model": "twice", "features": ["amount"], "outputs": {"y": "Y[0]"}},
                      "out": {"kind": "persist", "inputs": ["gbt"], "to": {"file": {"path": f"out{number}.jsonl"}}, "fields": ["id", "y"]}}})
        places = {"/etc/anabranch/%i.json": str(topology), "/var/lib/anabranch/%i": str(self.folder / f"state{number}")}
        words = command.replace("$ANABRANCH_OPTIONS", options).split()[1:]
        return [places.get(word, word) for word in words]

    def test_a_second_pipeline_takes_no_port_of_the_first(self):
        ports = re.findall(r"^(?!#).*:\d{4}", self.text, re.MULTILINE)
        self.assertEqual(ports, [])
        for _ in range(2):
            run = self.start(*self.started("--once"))
            self.assertEqual(run.wait(60), EXIT_OK, run.stderr)

    def test_a_model_runs_where_no_memory_is_both_written_and_executed(self):
        """MemoryDenyWriteExecute, as the kernel offers it since 6.3; systemd itself is not here."""
        self.assertIn("\nMemoryDenyWriteExecute=yes\n", self.text)
        denying = ("import ctypes, os, sys; libc = ctypes.CDLL(None, use_errno=True); PR_SET_MDWE = 65\n"
                   "if libc.prctl(PR_SET_MDWE, 1, 0, 0, 0): sys.exit(100)\nos.execv(sys.argv[1], sys.argv[1:])")
        probe = "import mmap\ntry: mmap.mmap(-1, 4096, prot=7)\nexcept PermissionError: print('denied')"
        ask = [sys.executable, "-c", denying, sys.executable, "-c", probe]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=False)
        if said.returncode == 100:
            self.skipTest("the kernel is older than 6.3")
        self.assertEqual(said.stdout, "denied\n")
        done = subprocess.run([sys.executable, "-c", denying, harness.BIN, *self.started("--once")], capture_output=True, text=True,
                              timeout=120, check=False, cwd=self.folder)
        self.assertEqual(done.returncode, EXIT_OK, done.stderr)
        self.assertEqual(len((self.folder / "out0.jsonl").read_text().splitlines()), 20)

    def test_a_failure_that_stays_is_not_started_again(self):
        never = re.search(r"^RestartPreventExitStatus=(.*)$", self.text, re.MULTILINE).group(1).split()
        self.assertEqual(never, ["1", "2", "78"])
        page = (harness.ROOT / "docs" / "kubernetes.md").read_text()
        rows = dict(re.findall(r"^\| (\d+) \| ([^|]*) \|", page, re.MULTILINE))
        self.assertEqual(set(rows), {"0", "1", "2", "69", "70", "75", "78", "130"})


if __name__ == "__main__":
    harness.main()
