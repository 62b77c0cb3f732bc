"""An array of objects is not read and is written unchanged: to a file, to a table, and after a restart."""
import json
import sqlite3

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE

LINES = ['[{"sku":"a","n":1.50},{"sku":"\\u00e4 \\" b","n":2e0}]', "[]",
         '[ {"sku" :\t"two  blanks" , "n":\n\t[ 1,\r\n 2 ]} ]']


class PassedOn(harness.PipelineCase):
    def test_arrays_of_objects_are_handed_on(self):
        # Records of a file are lines, so white space that breaks lines is inside a text there.
        values = [line.replace("\n", " ").replace("\r", " ") for line in LINES] * 20
        (self.folder / "in.jsonl").write_text(
            "".join(f'{{"id": {i}, "lines": {value}}}\n' for i, value in enumerate(values)))
        topology = {
            "anabranch": 1, "name": "passed-on",
            "schemas": {"s": {"type": "object", "required": ["id", "lines"], "properties": {
                "id": {"type": "integer"},
                "lines": {"type": "array", "items": {"type": "object", "required": ["sku"],
                                                     "properties": {"sku": {"type": "string"}}}}}}},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
            "nodes": {
                "t": {"kind": "transform", "inputs": ["in"], "on_error": "stop", "set": {"x": "1 % (id - 50)"}},
                "out": {"kind": "persist", "inputs": ["t"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id", "lines"]},
                "keep": {"kind": "persist", "inputs": ["t"], "fields": {"number": "id", "lines": "lines"},
                         "to": {"sqlite": {"path": "out.db", "table": "t"}}}}}
        file = harness.write_json(self.folder / "topology.json", topology)
        self.anabranch("run", file, code=EXIT_STAGE)
        topology["nodes"]["t"]["set"]["x"] = "1 % (id + 50)"
        harness.write_json(file, topology)
        self.anabranch("restart", file, "--yes", code=EXIT_OK)
        compact = [LINES[0], LINES[1], '[{"sku":"two  blanks","n":[1,2]}]'] * 20
        found = harness.read_lines(self.folder / "out.jsonl")
        self.assertEqual([line.value.decode() for line in found],
                         [f'{{"id":{i},"lines":{text}}}' for i, text in enumerate(compact)])
        with sqlite3.connect(f"file:{self.folder / 'out.db'}?mode=ro", uri=True) as db:
            self.assertEqual([row[0] for row in db.execute("SELECT lines FROM t ORDER BY number")], compact)

        topology["nodes"]["t"]["set"] = {"n": "length(lines)"}
        topology["sources"]["in"]["key"] = {"field": "lines"}
        harness.write_json(file, topology)
        run = self.anabranch("check", file, code=EXIT_FAULTY)
        self.assertEqual([fault for fault in run.stdout.splitlines() if fault.startswith("error")], [
            'error[AB104]: a key cannot be made from "lines", a json',
            'error[AB302]: column "lines" is an array of objects, which expressions cannot read'])


if __name__ == "__main__":
    harness.main()
