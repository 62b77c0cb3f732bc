"""Functions of expressions against Python, through a whole run."""
import bisect
import json
import random

import harness
from harness import EXIT_OK

EDGES = [-3.5, -1.0, 0.0, 0.25, 2.0, 7.0]
KNOWN = ["red", "green", "blue", "it's \"quoted\"", ""]
WORDS = ["cat", "dog", "ant"]


def rows(count):
    pick = random.Random(7)
    for i in range(count):
        yield {"n": i,
               "x": pick.choice(EDGES) if i % 3 == 0 else pick.uniform(-5, 9),
               "colour": pick.choice([*KNOWN, "RED", "violet", None]),
               "label": pick.randrange(-1, 5)}


def literal(value):
    return "'" + value.replace("'", "\\'") + "'" if isinstance(value, str) else repr(value)


class Oracle(harness.PipelineCase):
    def test_bucket_map_one_hot_and_lists(self):
        records = list(rows(2000))
        (self.folder / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        known = ", ".join(literal(value) for value in KNOWN)
        table = ", ".join(f"{literal(value)}: {i * 10}" for i, value in enumerate(KNOWN))
        sets = {"bucket": f"bucket(x, [{', '.join(map(str, EDGES))}])", "hot": f"one_hot(colour, [{known}])",
                "code": f"map(colour, {{{table}}}, -1)", "bare": f"map(colour, {{{table}}})",
                "other": "map(colour, {'violet': 'purple'}, colour)",
                "word": f"[{', '.join(map(literal, WORDS))}][label]"}
        file = harness.write_json(self.folder / "topology.json", {
            "anabranch": 1, "name": "oracle",
            "schemas": {"s": {"type": "object", "required": ["n", "x", "label"], "properties": {
                "n": {"type": "integer"}, "x": {"type": "number"}, "label": {"type": "integer"},
                "colour": {"type": ["string", "null"]}}}},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
            "nodes": {"t": {"kind": "transform", "inputs": ["in"], "set": sets},
                      "out": {"kind": "persist", "inputs": ["t"], "to": {"file": {"path": "out.jsonl"}},
                              "fields": list(sets)}}})
        self.anabranch("run", file, code=EXIT_OK)
        found = [line.fields for line in harness.read_lines(self.folder / "out.jsonl")]
        self.assertEqual(len(found), len(records))
        for record, row in zip(records, found):
            colour, label = record["colour"], record["label"]
            code = None if colour is None else KNOWN.index(colour) * 10 if colour in KNOWN else None
            self.assertEqual(row["bucket"], bisect.bisect_right(EDGES, record["x"]), "numpy.digitize gives the same")
            self.assertEqual(row["hot"], None if colour is None else [float(colour == each) for each in KNOWN])
            self.assertEqual(row["bare"], code)
            self.assertEqual(row["code"], None if colour is None else -1 if code is None else code)
            self.assertEqual(row["other"], {"violet": "purple"}.get(colour, colour))
            self.assertEqual(row["word"], WORDS[label] if 0 <= label < len(WORDS) else None)


if __name__ == "__main__":
    harness.main()
