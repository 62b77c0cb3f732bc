"""A pipeline with one managed model, "sum", whose versions 7, 8 and 9 are in its registry, and the judgement of its rows."""
import json
import sqlite3

import harness
import live
import packages


class Deployments(live.LiveCase):

    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    nodes = {
        "score": {"kind": "infer", "inputs": ["in"], "model": "sum", "features": "package",
                  "outputs": {"y": "Y", "ver": "@version", "gen": "@generation"}},
        "out": {"kind": "persist", "inputs": ["score"], "to": {"sqlite": {"path": "out.db", "table": "results"}},
                "fields": ["n", "y", "ver", "gen"]}}

    def setUp(self):
        super().setUp()
        self.registry = self.folder / "registry"
        for version in ("7", "8", "9"):
            self.pack(version)

    def pack(self, version, **how):
        folder = packages.make(self.registry, version, **how)
        self.anabranch("model", "pack", folder, code=0)
        return folder

    def write(self, source="-", start="7", model=None, **more):
        self.write_topology(models={"sum": {"registry": "registry", "start": start, **(model or {})}}, batch={"max_rows": 4},
                            epoch={"commit_ms": 20}, **more)
        value = json.loads(self.topology.read_text())
        value["sources"]["in"]["file"]["path"] = source
        value["sources"]["in"]["key"] = "position"
        harness.write_json(self.topology, value)

    def rows(self):
        with sqlite3.connect(f"file:{self.folder}/out.db?mode=ro", uri=True, timeout=10) as db:
            return db.execute("SELECT id, n, y, ver, gen FROM results ORDER BY n").fetchall()

    def feed_numbers(self, run, begin, end):
        self.feed(run, *({"n": n} for n in range(begin, end)))
        self.wait_until(f"{end} results", 20, lambda: (self.folder / "out.db").exists() and len(self.rows()) == end, run)

    def model(self, command, *args, code=0):
        run = self.anabranch("model", command, self.topology, *args, "--format", "json", code=code)
        return json.loads(run.stdout)

    def check_rows(self, count):
        """Each record once; its value, its version and its generation agree with each other and with the history."""
        rows = self.rows()
        self.assertEqual([row[1] for row in rows], list(range(count)))
        history = {event["generation"]: event for event in self.model("history", "sum") if event["generation"]}
        for id, n, y, ver, gen in rows:
            self.assertEqual(packages.version_of(n, y), ver, (id, n, y))
            event = history[gen]
            self.assertEqual(event["version"], ver)
            partition, _, byte = "/".join(id.split("/")[:2]), *id.split("/")[1:3]
            self.assertGreaterEqual(int(byte), event["from"][partition], id)
            self.assertLess(int(byte), event["until"].get(partition, 1 << 60), id)
        return rows

    def append(self, begin, end):
        with open(self.folder / "in.jsonl", "a") as out:
            out.writelines(json.dumps({"n": n}) + "\n" for n in range(begin, end))
