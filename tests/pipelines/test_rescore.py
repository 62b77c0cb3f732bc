"""`model rescore` of a file that grows: what it scores again, what it refuses, and which rows of a rollout it takes."""
import json
import sqlite3

import harness
import packages

PART = 22  # records per generation: no whole batches


class Rescoring(harness.PipelineCase):

    def setUp(self):
        super().setUp()
        for version in ("7", "8"):
            self.anabranch("model", "pack", packages.make(self.folder / "registry", version), code=0)
        self.written = 0
        self.file = self.write()

    def write(self, **rollout):
        def persist(table):
            return {"kind": "persist", "inputs": ["score"], "fields": ["n", "y", "ver"], "to": {"sqlite": {"path": "first.db", "table": table}}}
        return harness.write_json(self.folder / "grown.json", {
            "anabranch": 1, "name": "grown",
            "schemas": {"s": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "models": {"sum": {"registry": "registry", "start": "7", **rollout}},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package", "outputs": {"y": "Y", "ver": "@version"}},
                      "big": {"kind": "transform", "inputs": ["score"], "where": "n % 2 == 0"},
                      "out": persist("results"), "evens": {**persist("evens"), "inputs": ["big"]}},
            "batch": {"max_rows": 4}})

    def run_more(self):
        with open(self.folder / "in.jsonl", "a", encoding="utf-8") as file:
            file.write("".join(f'{{"n": {n}}}\n' for n in range(self.written, self.written + PART)))
        self.written += PART
        self.anabranch("run", self.file, "--workers", 1, code=0)

    def model(self, command, *args, code=0):
        return json.loads(self.anabranch("model", command, self.file, *args, "--format", "json", code=code).stdout)

    def deploy_bad(self):
        self.bad = self.model("deploy", "sum@8")["generation"]

    def rescore(self, to, *args, generation=None, code=0):
        return self.anabranch("model", "rescore", self.file, "sum", "--generation", generation or self.bad, "--to", to, *args, code=code)

    def rows(self, path, table):
        with sqlite3.connect(f"file:{self.folder}/{path}?mode=ro", uri=True, timeout=10) as db:
            return db.execute(f"SELECT id, n, y, ver FROM {table} ORDER BY n").fetchall()

    def swap_and_back(self):
        self.run_more()
        self.deploy_bad()
        self.run_more()
        self.model("rollback", "sum")
        self.run_more()

    def test_rows_of_one_node_go_to_another_target_and_only_those(self):
        self.swap_and_back()
        first = self.rows("first.db", "results"), self.rows("first.db", "evens")
        bad = [row for row in first[1] if row[3] == "8"]
        self.rescore('evens={"sqlite": {"path": "revised.db", "table": "revised"}}')
        self.assertEqual(self.rows("revised.db", "revised"), [(id, n, n + 7 * packages.STEP, "7") for id, n, _, _ in bad])
        self.assertEqual((self.rows("first.db", "results"), self.rows("first.db", "evens")), first)
        # The same target, written in another way, is the same run.
        again = self.rescore('evens={"sqlite": {"table": "revised",  "path": "revised.db"}}', "--format", "json")
        self.assertEqual(len(self.rows("revised.db", "revised")), len(bad))
        self.assertEqual(json.loads(again.stdout)["records"], 0)
        self.rescore('out={"file": {"path": "revised.csv", "format": "csv"}}')
        lines = (self.folder / "revised.csv").read_text().splitlines()
        self.assertEqual((lines[0].split(",")[2:], len(lines)), (["n", "y", "ver", "revises"], PART + 1))
        self.run_more()  # the pipeline goes on as if nothing had happened
        self.assertEqual([row[1] for row in self.rows("first.db", "results")], list(range(self.written)))

    def test_what_cannot_be_scored_again_is_refused_with_the_reason(self):
        self.run_more()
        self.deploy_bad()
        self.run_more()
        table = '{"sqlite": {"path": "revised.db", "table": "revised"}}'
        self.assertIn("still scores", self.rescore(f"out={table}", code=1).stderr)
        self.model("rollback", "sum")
        self.assertIn(f"generation {self.bad} still scores file:in/0", self.rescore(f"out={table}", code=75).stderr)
        self.run_more()
        self.assertIn("no generation 500", self.rescore(f"out={table}", generation=500, code=1).stderr)
        first = self.model("history", "sum")[0]["generation"]
        self.assertIn("this version serves now", self.rescore(f"out={table}", generation=first, code=1).stderr)
        self.assertIn("several nodes write what model \"sum\" scored (out, evens)", self.rescore(table, code=2).stderr)
        self.assertIn("no node \"outt\"", self.rescore(f"outt={table}", code=2).stderr)
        self.assertIn("the topology is faulty", self.rescore('out={"sqlite": {"path": "revised.db"}}', code=2).stderr)
        self.assertIn("exactly_once", self.rescore('out={"file": {"path": "-"}}', code=2).stderr)
        self.assertIn("no model \"min\"", self.anabranch("model", "rescore", self.file, "min", "--generation", 2, "--to", table, code=2).stderr)
        # A table that the pipeline itself writes is not another target.
        self.assertIn("name another", self.rescore('out={"sqlite": {"path": "first.db", "table": "evens"}}', code=2).stderr)
        self.assertFalse((self.folder / "revised.db").exists())
        self.assertEqual(len(self.rows("first.db", "results")), self.written)

    def test_all_records_of_a_canary_are_scored_again_by_the_version_that_serves(self):
        self.run_more()
        self.write(rollout={"by": "record", "steps": [{"canary": 0.5, "rows": 10_000}, "all"], "guards": {"errors": 0.01}, "max_rows": 10_000})
        self.deploy_bad()
        self.run_more()
        self.assertEqual({row[3] for row in self.rows("first.db", "results")[PART:]}, {"7", "8"})
        self.model("rollback", "sum")
        self.run_more()
        told = self.rescore('out={"sqlite": {"path": "revised.db", "table": "revised"}}').stderr
        self.assertIn("records that another one answered are scored again as well", told)
        self.assertEqual([(row[1], row[3]) for row in self.rows("revised.db", "revised")], [(n, "7") for n in range(PART, 2 * PART)])


if __name__ == "__main__":
    harness.main()
