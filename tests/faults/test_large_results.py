"""A small batch with huge results is written in parts, and memory stays bounded."""
import json
import os
import resource
import shutil
import subprocess

from oracle import harness

RECORDS, WIDE, FIELDS = 32, 1 << 18, 64  # a field of 256 KiB, written 64 times: 16 MiB of results for each record
LIMIT_KB = 256 << 10


class LargeResults(harness.PipelineCase):

    def lay(self, to, records=RECORDS, **limits):
        item = {"type": "object", "required": ["n", "text"], "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}}
        with open(self.folder / "in.jsonl", "w") as lines:
            for n in range(records):
                lines.write(json.dumps({"n": n, "text": "x" * WIDE}) + "\n")
        return harness.write_json(self.folder / "topology.json", {
            "anabranch": 1, "name": "large", "schemas": {"item": item},
            "sources": {"items": {"file": {"path": "in.jsonl"}, "format": "json", "schema": "item", "key": "position"}},
            "nodes": {"out": {"kind": "persist", "inputs": ["items"], "to": to,
                              "fields": {"n": "n", **{f"f{i}": "text" for i in range(FIELDS)}}}},
            "limits": limits, "batch": {"max_bytes": 64 << 20}})

    def run_measured(self, to):
        file = self.lay(to, memory_bytes=64 << 20, result_bytes=32 << 20)
        with open(self.folder / "stderr", "wb") as err:
            process = subprocess.Popen([harness.BIN, "run", file, "--workers", "1"], stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, (self.folder / "stderr").read_text()[-2000:])
        print(f"{next(iter(to))}: {RECORDS} records of {WIDE >> 10} KiB, {RECORDS * FIELDS * WIDE >> 20} MiB of results, "
              f"limits.memory_bytes 64 MiB: {usage.ru_maxrss >> 10} MiB resident at most", flush=True)
        self.assertLess(usage.ru_maxrss, LIMIT_KB)

    def test_memory_stays_bounded_when_a_small_batch_makes_huge_results_for_a_file(self):
        self.run_measured({"file": {"path": "out.jsonl"}})
        with open(self.folder / "out.jsonl", "rb") as lines:
            self.assertEqual([json.loads(line)["value"]["n"] for line in lines], list(range(RECORDS)))

    def test_memory_stays_bounded_when_a_small_batch_makes_huge_results_for_a_table(self):
        self.run_measured({"sqlite": {"path": "out.db", "table": "results"}})

    def test_memory_that_cannot_be_had_stops_a_stage_and_never_the_process(self):
        codes = {}
        for megabytes in range(300, 900, 50):
            shutil.rmtree(self.folder / ".anabranch", ignore_errors=True)
            (self.folder / "out.jsonl").unlink(missing_ok=True)
            file = self.lay({"file": {"path": "out.jsonl"}}, records=16, memory_bytes=4 << 30, result_bytes=32 << 20)
            limit = megabytes << 20
            with open(self.folder / "stderr", "wb") as err:
                process = subprocess.run([harness.BIN, "run", file, "--workers", "1"], stderr=err, timeout=60 * harness.PATIENCE,
                                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            text = (self.folder / "stderr").read_text()
            self.assertIn(process.returncode, (harness.EXIT_OK, harness.EXIT_STAGE), f"{megabytes} MiB: {text[-2000:]}")
            if process.returncode == harness.EXIT_STAGE:
                self.assertIn("needs more memory than there is", text)
                self.assertEqual(self.anabranch("restart", file, "--yes").code, harness.EXIT_OK)
                with open(self.folder / "out.jsonl", "rb") as lines:
                    self.assertEqual([json.loads(line)["value"]["n"] for line in lines], list(range(16)))
            codes[process.returncode] = codes.get(process.returncode, 0) + 1
        print(f"address space of 300 to 850 MiB for 256 MiB of results: exit codes {codes}", flush=True)


if __name__ == "__main__":
    harness.main()
