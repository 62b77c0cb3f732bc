"""Bad records among good ones in a file: each has its outcome, and all good ones are delivered."""
import base64
import json
import shutil

import bad_records
import harness
from harness import EXIT_OK


def payload_of(letter):
    if "value_base64" in letter:
        return base64.b64decode(letter["value_base64"])
    return letter["value_text"].encode()


class BadInput(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        shutil.copy(harness.ROOT / "tests" / "models" / "free_width.onnx", self.folder)
        self.input, self.output, self.dead = (self.folder / name for name in ("in.jsonl", "out.jsonl", "dead.jsonl"))
        self.topology = harness.write_json(self.folder / "topology.json", bad_records.topology(
            {"file": {"path": "in.jsonl"}}, {"file": {"path": "out.jsonl"}}, {"file": {"path": "dead.jsonl"}}, "position"))

    def run_on(self, payloads, timeout=60):
        self.input.write_bytes(b"".join(payload + b"\n" for payload in payloads))
        self.anabranch("run", self.topology, code=EXIT_OK, timeout=timeout)
        dead = [json.loads(line) for line in self.dead.read_text().splitlines()] if self.dead.exists() else []
        return harness.read_lines(self.output), dead

    def test_each_bad_record_has_its_outcome(self):
        records = bad_records.mixed()
        results, dead = self.run_on([payload for _, payload in records])
        self.assertEqual([line.fields["id"] for line in results],
                         [json.loads(payload)["id"] for name, payload in records if bad_records.is_scored(name)])
        for line in results:
            self.assertAlmostEqual(line.fields["y"], {"sound-4": 3}.get(
                line.fields["id"], line.fields["n"] / 64 * 3 if line.fields["id"].startswith("good") else 1.5), places=5)
        bad = [name for name, _ in records if not bad_records.is_scored(name)]
        self.assertEqual(len(dead), len(bad))
        for name, letter in zip(bad, dead):
            payload, node, code = bad_records.BAD[name]
            with self.subTest(name):
                self.assertEqual(payload_of(letter), payload)
                headers = letter["headers"]
                self.assertEqual(headers["anabranch.error.node"], node)
                if code:
                    self.assertEqual(headers["anabranch.error.code"], code)
                self.assertTrue(headers["anabranch.error.message"])

    def test_a_record_of_100_megabytes_costs_one_record(self):
        huge = b'{"id":"b","n":1,"x":0.5,"z":"' + b"z" * (100 << 20) + b'"}'
        results, dead = self.run_on([bad_records.good(1), huge, bad_records.good(2)])
        self.assertEqual([line.fields["id"] for line in results], ["good-001", "good-002"])
        self.assertEqual(len(dead), 1)
        self.assertEqual(dead[0]["headers"]["anabranch.error.node"], "in")
        self.assertEqual(dead[0]["headers"]["anabranch.error.code"], "too_large")
        self.assertTrue(huge.startswith(payload_of(dead[0])), "as much of it as is kept is as it came")


if __name__ == "__main__":
    harness.main()
