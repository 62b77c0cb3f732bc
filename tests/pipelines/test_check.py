"""The output of `check` and similar commands has no secrets and no control characters, and takes less than a second."""
import json
import re
import time

import harness
from harness import EXIT_FAULTY, EXIT_OK

FORGED = "a\x1b[2Jb\nerror[AB999]: forged\u202e"


def smallest():
    return {"anabranch": 1, "name": "small",
            "schemas": {"s": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": {"field": "id"}}},
            "nodes": {"out": {"kind": "persist", "inputs": ["in"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["id"]}}}


class Output(harness.PipelineCase):
    def check(self, value, code=EXIT_FAULTY, name="topology.json", command="check", args=()):
        file = self.folder / name
        file.write_text(value) if isinstance(value, str) else harness.write_json(file, value)
        run = self.anabranch(command, file, *args, code=code)
        return run.stdout + run.stderr

    def assert_safe(self, text):
        self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f\u202e]", "nothing that moves the cursor")
        self.assertNotRegex(text, r"(?m)^error\[AB999\]", "no line that somebody else wrote")

    def test_names_cannot_forge_lines(self):
        value = smallest()
        value["nodes"][FORGED] = {"kind": "transform", "inputs": [FORGED], FORGED: 1, "set": {FORGED: "1 +"}}
        value["nodes"]["out"]["to"]["file"]["path"] = "../" + FORGED
        value["models"] = {FORGED: {"path": FORGED}}
        value["schemas"]["s"]["properties"][FORGED] = {"type": FORGED}
        for name in ("topology.json", "a\x1b[2J.json"):
            for args in ((), ("--format", "github")):
                text = self.check(value, name=name, args=args)
                self.assert_safe(text)
                self.assertIn("\\x1b[2Jb\\n", text)
        value = smallest()
        value["schemas"]["s"]["properties"][FORGED] = {"type": "string"}
        value["nodes"]["out"]["fields"] = {"x": FORGED}
        value["nodes"]["out"]["to"]["file"]["path"] = FORGED
        value["nodes"]["out"]["description"] = FORGED
        for command, args in (("explain", ()), ("graph", ())):
            text = self.check(value, EXIT_OK, command=command, args=args)
            self.assert_safe(text)
            self.assertIn("\\x1b[2J", text)

    def test_a_nul_in_the_name_of_a_column_of_sqlite_is_a_fault(self):
        value = smallest()
        value["nodes"]["out"].update({"to": {"sqlite": {"path": "o.db", "table": "t"}}, "fields": {"a\x00b": "id"}})
        text = self.check(value)
        self.assert_safe(text)
        self.assertIn("has a NUL character in its name", text)

    def test_excerpts_show_no_secrets(self):
        def kafka(**properties):
            value = smallest()
            value["connections"] = {"main": {"kafka": {"bootstrap.servers": "b:9092", **properties}}}
            value["sources"]["in"] = {"kafka": {"topics": ["t"]}, "schema": "s"}
            value["nodes"]["out"]["to"] = {"kafka": {"topic": "o"}}
            return value

        for properties in ({"sasl.password": "hunter2"}, {"sasl.pasword": "hunter2"}, {"sasl.secrte": "hunter2"},
                           {"ssl.key.pem": "hunter2"}, {"sasl.oauthbearer.config": "hunter2"},
                           {"sasl.password": "${NO_SUCH_VARIABLE:-hunter2}"}, {"ssl.key.password": "hunter2\t"},
                           {"linger": 7, "sasl.password": "hunter2"}):
            for text in (json.dumps(kafka(**properties)), json.dumps(kafka(**properties), indent=1),
                         json.dumps(kafka(**properties)).replace('"topics"', 'topics')):
                with self.subTest(properties=properties):
                    shown = self.check(text, code=None)
                    self.assertNotIn("hunter2", shown)
        shown = self.check(json.dumps(kafka(**{"sasl.password": "hunter2"}), indent=1))
        self.assertIn('"sasl.password": "***"', shown)
        caret = re.search(r'\| ( *"sasl.password": )"\*\*\*"\n +\| ( *)\^{5}', shown)
        self.assertTrue(caret and len(caret[1]) == len(caret[2]), shown)
        shown = self.check(json.dumps(kafka(**{"sasl.password": "${NO_SUCH_VARIABLE}"}), indent=1))
        self.assertIn("${NO_SUCH_VARIABLE}", shown, "a reference is no secret")

    def test_large_files_are_checked_within_a_second(self):
        unknown = smallest()
        unknown["nodes"]["out"].update({f"unknown_{i}": i for i in range(40000)})
        top = {**smallest(), **{f"unknown_{i}": i for i in range(40000)}}
        repeated = smallest()
        repeated["schemas"]["s"]["required"] = ["id"] * 100000
        missing = smallest()
        missing["schemas"]["s"]["required"] = [f"f{i}" for i in range(20000)]
        missing["schemas"]["s"]["properties"].update({f"g{i}": {"type": "string"} for i in range(20000)})
        kafka = smallest()
        kafka["connections"] = {"main": {"kafka": {"bootstrap.servers": "b:9092", **{f"unknown.{i}": "x" for i in range(40000)}}}}
        keywords = smallest()
        keywords["schemas"]["s"]["properties"]["id"].update({f"unknown_{i}": i for i in range(40000)})
        for name, value, code in (("kafka", kafka, EXIT_FAULTY), ("keywords", keywords, EXIT_FAULTY), ("unknown", unknown, EXIT_FAULTY), ("top", top, EXIT_FAULTY),
                                  ("repeated", repeated, EXIT_OK), ("missing", missing, EXIT_FAULTY)):
            with self.subTest(name):
                file = self.folder / f"{name}.json"
                file.write_text(json.dumps(value))  # one line
                begin = time.monotonic()
                self.anabranch("check", file, code=code)
                took = time.monotonic() - begin
                self.assertLess(took, 1.0 * harness.PATIENCE, f"{name}, 13 to 50 s before")

    def test_functions_are_explained_by_name(self):
        run = self.anabranch("explain", "log1p", code=EXIT_OK)
        self.assertIn("log1p(x) → float64", run.stdout)
        run = self.anabranch("explain", "one_hott", code=harness.EXIT_USAGE)
        self.assertIn('did you mean "one_hot"?', run.stderr)


if __name__ == "__main__":
    harness.main()
