#!/usr/bin/env python3
"""The rules of checks.py over this repository, and each rule over a planted violation.

  test_structure.py           the tests
  test_structure.py --list    the violations only
"""

import pathlib
import subprocess
import sys
import unittest

import checks

ROOT = pathlib.Path(__file__).resolve().parents[2]


def repository():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\0")
    tree = {}
    for name in names:
        path = ROOT / name
        if not name or not path.is_file():
            continue
        try:
            tree[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            pass  # a model
    return tree


class TheRepository(unittest.TestCase):
    tree = repository()

    def assert_clean(self, check):
        found = check(self.tree)
        self.assertFalse(found, "\n" + "\n".join(map(str, found)))

    def test_has_sources(self):
        self.assertGreater(sum(checks.is_code(path) for path in self.tree), 200)
        kinds, connectors = checks.component_names(self.tree)
        self.assertIn("infer", kinds)
        self.assertIn("kafka", connectors)

    def test_core_names_no_component(self):
        self.assert_clean(checks.check_core_names_no_component)

    def test_one_home_per_rule(self):
        self.assert_clean(checks.check_one_home_per_rule)

    def test_no_circle(self):
        self.assert_clean(checks.check_no_circle)

    def test_components_use_contracts(self):
        self.assert_clean(checks.check_components_use_contracts)

    def test_file_length(self):
        self.assert_clean(checks.check_file_length)

    def test_function_length(self):
        self.assert_clean(checks.check_function_length)

    def test_plain_words(self):
        self.assert_clean(checks.check_plain_words)


class Planted(unittest.TestCase):
    """Each check finds what it is for, and passes over what is allowed."""

    def places(self, check, tree):
        return [f"{v.path}:{v.line}" for v in check(tree)]

    def test_components(self):
        components = {"nodes/persist/persist.cpp": "", "connectors/kafka/x.cpp": "", "connectors/file/x.cpp": "",
                      "connectors/sqlite/x.cpp": ""}
        bad = ['if (kind == "persist") {}', '// as a persist node does', '// librdkafka does it', 'KafkaThing x;',
               'connector == "file"', '// see `file`', 'Error("use sqlite")']
        for line in bad:
            for path in ("engine/a.cpp", "topologies/language/a.h"):
                tree = {**components, path: "\n" + line}
                self.assertEqual(self.places(checks.check_core_names_no_component, tree), [path + ":2"], line)
            for path in ("engine/testing/a.cpp", "topologies/commands/a.cpp", "connectors/kafka/x.cpp"):
                self.assertEqual(self.places(checks.check_core_names_no_component, {**components, path: line}), [], path)
        for line in ("// the file is closed", "// results persist", "file.Close();"):
            self.assertEqual(self.places(checks.check_core_names_no_component, {**components, "engine/a.cpp": line}), [])
        store = {**components, "engine/run/ledger.cpp": "SqliteDatabase db;"}
        self.assertEqual(self.places(checks.check_core_names_no_component, store), [])

    def test_homes(self):
        bad = ["const int fd = open(path, O_RDONLY | O_DIRECTORY);", "while ((c & 0xC0) == 0x80) ++i;",
               'id = topic + ":" + std::to_string(partition) + ":" + std::to_string(offset);',
               'snprintf(b, n, "%g ms", x);', 'if (row.error_class == "schema") {}', 'if ("schema" != row.error_class) {}']
        for line in bad:
            self.assertEqual(self.places(checks.check_one_home_per_rule, {"nodes/infer/a.cpp": line}), ["nodes/infer/a.cpp:1"], line)
        self.assertEqual(self.places(checks.check_one_home_per_rule, {"engine/utf8.cpp": bad[1]}), [])
        self.assertEqual(self.places(checks.check_one_home_per_rule, {"engine/a.cpp": "if (c == ErrorClass::kSchema) {}"}), [])

    def test_circles(self):
        tree = {"engine/a.h": '#include "engine/codec/b.h"', "engine/codec/b.h": '#include "engine/run/c.h"',
                "engine/run/c.h": '#include "engine/a.h"', "nodes/x/d.h": '#include "engine/a.h"'}
        self.assertEqual(self.places(checks.check_no_circle, tree), ["engine/a.h:1", "engine/codec/b.h:1", "engine/run/c.h:1"])
        del tree["engine/run/c.h"]
        self.assertEqual(self.places(checks.check_no_circle, tree), [])

    def test_contracts(self):
        for path in ("nodes/x/a.h", "connectors/x/a.cpp"):
            self.assertEqual(self.places(checks.check_components_use_contracts, {path: '#include "engine/run/ledger.h"'}), [path + ":1"])
            self.assertEqual(self.places(checks.check_components_use_contracts, {path: '#include "engine/state_store.h"'}), [])
        self.assertEqual(self.places(checks.check_components_use_contracts, {"topologies/commands/a.cpp": '#include "engine/run/ledger.h"'}), [])

    def test_files(self):
        long = "x\n" * 601
        self.assertEqual(self.places(checks.check_file_length, {"docs/a.md": long, "tests/a.json": long}), ["docs/a.md:600"])
        self.assertEqual(self.places(checks.check_file_length, {"docs/a.md": "x\n" * 600}), [])

    def test_functions(self):
        def plant(body, head="Status Long(int a) {", tail="}\n"):
            return {"engine/a.cpp": "namespace anabranch {\nclass A {\n public:\n" + head + "\n" + body + tail + "};\n}\n"}

        logic = "  if (a) { Call(\"{\"); }  // {\n"
        self.assertEqual(self.places(checks.check_function_length, plant(logic * 59)), ["engine/a.cpp:4"])
        self.assertEqual(self.places(checks.check_function_length, plant(logic * 58)), [])
        for head in ("A::A(int a)\n    : a_(a), b_{a} {", "bool operator==(const A& a) const {", "auto F() const -> int {"):
            self.assertEqual(self.places(checks.check_function_length, plant(logic * 59, head)), ["engine/a.cpp:4"], head)
        self.assertEqual(self.places(checks.check_function_length, plant('      {"a", 1},\n' * 80)), [])  # a table
        self.assertEqual(self.places(checks.check_function_length, plant("  { a(); }\n" + logic * 60 + '  R"(\n}}}\n)";\n')),
                         ["engine/a.cpp:4"])
        python = {"tests/a.py": "def f():\n" + "    g()\n" * 60}
        self.assertEqual(self.places(checks.check_function_length, python), ["tests/a.py:1"])

    def test_words(self):
        for line in ("// The run is told", "It is at hand.", "Mend it", "a key left out"):
            self.assertEqual(self.places(checks.check_plain_words, {"docs/a.md": line}), ["docs/a.md:1"], line)
        self.assertEqual(self.places(checks.check_plain_words, {"engine/a.cpp": 'bool told = false;\nSay("it is told");'}), ["engine/a.cpp:2"])
        for line in ("retold", "until it is told to stop", "told apart", "what `told` means", "recommended", "amend it"):
            self.assertEqual(self.places(checks.check_plain_words, {"docs/a.md": line}), [], line)


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        violations = [v for check in checks.CHECKS for v in check(repository())]
        print(*violations, sep="\n")
        sys.exit(1 if violations else 0)
    unittest.main()
