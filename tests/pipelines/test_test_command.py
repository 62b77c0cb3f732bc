"""`anabranch test`: the cases under tests/cases/tests, its reports, --record, interrupts, and the tests of the examples.

A folder there has cases.tests.json and expected.json: the exit code, and per case "ok" or what differs; of a faulty one,
the faults that `check` reports. No broker is needed: the ends of a case are in memory.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import time
import unittest.mock
import xml.etree.ElementTree as ET

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE, EXIT_USAGE

CASES = harness.ROOT / "tests" / "cases" / "tests"
MODELS = harness.ROOT / "tests" / "models"
SHOWN = ("where", "expected", "actual", "line", "column")


def folders():
    return sorted(path.parent for path in CASES.glob("*/expected.json"))


def parts(each, names):
    return {name: each[name] for name in names if name in each}


class TestCommand(harness.PipelineCase):
    def run_tests(self, *args, code=EXIT_OK, env=None, timeout=60):
        run = self.anabranch("test", *args, "--allow-path", MODELS, code=code, env=env, timeout=timeout)
        return run

    def outcome(self, *args, code=EXIT_OK, env=None):
        return json.loads(self.run_tests(*args, "--format", "json", code=code, env=env).stdout)

    def check(self, file, code):
        run = self.anabranch("check", file, "--format", "json", "--allow-path", MODELS, code=code)
        return json.loads(run.stdout)["faults"]


class Cases(TestCommand):
    def test_there_are_many(self):
        self.assertGreaterEqual(len(folders()), 30)
        self.assertEqual(len(folders()), len(list(CASES.glob("*/cases.tests.json"))))

    def seen(self, folder, code):
        file = folder / "cases.tests.json"
        if code == EXIT_FAULTY:
            run = self.run_tests(file, code=EXIT_FAULTY)
            self.assertIn("error[", run.stderr)
            [shown] = self.outcome(file, code=code)["files"]
            self.assertTrue(shown["faulty"])
            self.assertEqual(shown["faults"], self.check(file, EXIT_FAULTY))
            faults = [parts(fault, ("code", "message", "hint", "pointer", "line", "column", "file")) for fault in
                      self.check(file, EXIT_FAULTY)]
            for fault in faults:
                fault["file"] = os.path.relpath(fault["file"], folder)
                fault["message"] = fault["message"].replace(str(harness.ROOT), "ROOT")
            return {"exit": code, "faults": faults}
        self.assertEqual(self.check(file, EXIT_OK), [])
        [shown] = self.outcome(file, code=code)["files"]
        cases = {}
        for case in shown["cases"]:
            differences = [parts(each, SHOWN) if "actual" in each else parts(each, ("message", "line", "column"))
                           for each in case["differences"]]
            self.assertEqual(case["ok"], not differences)
            cases[case["name"]] = differences or "ok"
        return {"exit": code, "cases": cases}

    def test_each_folder(self):
        for folder in folders():
            with self.subTest(folder.name):
                expected = json.loads((folder / "expected.json").read_text())
                seen = self.seen(folder, expected["exit"])
                if "faults" in expected:
                    self.assertEqual(len(seen["faults"]), len(expected["faults"]), json.dumps(seen, indent=1))
                    for fault, wanted in zip(seen["faults"], expected["faults"]):
                        self.assertEqual(fault, wanted)
                else:
                    self.assertEqual(list(seen["cases"]), list(expected["cases"]))
                    for name, wanted in expected["cases"].items():
                        self.assertEqual(seen["cases"][name], wanted, name)



def orders(*tests):
    """The topology of most cases, with these tests in it."""
    topology = harness.load_topology(CASES / "orders.json")
    topology["tests"] = list(tests)
    return topology


def order(name, expect, **values):
    return {"name": name, "given": {"orders": [{"value": {"id": "a", "amount": 1, **values}}]}, "expect": expect}


class Reports(TestCommand):
    def write(self, *tests, name="topology.json"):
        return harness.write_json(self.folder / name, orders(*tests))

    def test_text_names_place_value_and_way(self):
        file = self.write(order("right", {"db": {"count": 1}}), order("wrong", {"db": [{"value": {"cents": 7}}]}))
        text = self.run_tests(file, code=EXIT_STAGE).stdout
        self.assertRegex(text, r"(?m)^  ok    right +\d+ ms$")
        self.assertRegex(text, r"(?m)^  FAIL  wrong +\d+ ms$")
        self.assertRegex(text, r"(?m)^ +db\[0\]\.value\.cents: expected 7, got 100 +\S*topology\.json:\d+:\d+$")
        self.assertRegex(text, r"(?m)^ +orders\[0\]: check ok, paid 100, foreign skipped, out ok, db ok$")
        self.assertRegex(text, r"(?m)^2 cases, 1 failed in \d+ ms$")

    def test_a_case_that_expects_nothing_says_so(self):
        case = order("nothing", {})
        self.assertIn("expects nothing", self.run_tests(self.write(case)).stdout)

    def test_github_lines_stand_at_the_place(self):
        file = self.write(order("a, b: c\nd", {"db": [{"value": {"cents": 7}}]}))
        lines = self.run_tests(file, "--format", "github", code=EXIT_STAGE).stdout.splitlines()
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"^::error file=.*topology\.json,line=\d+,col=\d+,title=a%2C b%3A c\\nd::"
                                   r"db\[0\]\.value\.cents: expected 7, got 100$")
        file.write_text(file.read_text().replace("cents\": 7", "cent\": 7"))
        lines = self.run_tests(file, "--format", "github", code=EXIT_FAULTY).stdout.splitlines()
        self.assertRegex(lines[0], r"^::error file=.*,title=AB203::the node \"db\" writes no field \"cent\"")
        self.assertIn("did you mean \"cents\"?", lines[0])

    def test_only_chooses_by_a_part_of_the_name_or_a_glob(self):
        file = self.write(*(order(name, {"db": {"count": 1}}) for name in ("one two", "two three", "[odd]")))

        def names(only):
            return [case["name"] for case in self.outcome(file, "--only", only)["files"][0]["cases"]]

        self.assertEqual(names("two"), ["one two", "two three"])
        self.assertEqual(names("*three"), ["two three"])
        self.assertEqual(names("[odd]"), ["[odd]"])
        run = self.run_tests(file, "--only", "four", code=EXIT_USAGE)
        self.assertIn("no case has a name like --only \"four\"", run.stderr)

    def test_coverage_says_what_no_case_reaches(self):
        mocked = order("mocked", {"db": {"count": 1}}, country="FR")
        mocked["mocks"] = {"foreign": {"outputs": {"is_foreign": True}}}
        text = self.run_tests(self.write(mocked), "--coverage").stdout
        for missing in ('rule check.sane_amount never false', 'node "paid" never filtered',
                        'node "foreign" never ran without a mock', 'node "foreign" never skipped'):
            self.assertIn(missing, text)
        file = self.write(order("one", {}, country="FR"), order("two", {}), order("three", {"db": []}, amount=0),
                          order("five", {"dead_letters": [{"code": "schema"}]}, id=""),
                          order("four", {"dead_letters": [{"code": "rule"}]}, amount=2e6))
        self.assertIn("everything is covered", self.run_tests(file, "--coverage").stdout)

    def test_once_only_runs_once(self):
        file = CASES / "batch_dependent_node" / "cases.tests.json"
        self.run_tests(file, code=EXIT_STAGE)
        self.run_tests(file, "--once-only")

    def test_folders_are_searched(self):
        (self.folder / "deep" / ".hidden").mkdir(parents=True)
        case = order("a", {"db": {"count": 1}})
        self.write(case)
        self.write(name="no_tests.json")
        self.write(case, name="deep/.hidden/no.json")
        shutil.copyfile(CASES / "orders.json", self.folder / "deep" / "orders.json")
        harness.write_json(self.folder / "deep" / "a.tests.json",
                           {"anabranch_tests": 1, "topology": "orders.json", "tests": [case]})
        (self.folder / "deep" / "other.json").write_text("[1]")
        shown = self.outcome(self.folder)
        self.assertEqual([os.path.relpath(file["file"], self.folder) for file in shown["files"]],
                         ["deep/a.tests.json", "topology.json"])

    def test_nothing_to_run_is_wrong_usage(self):
        for path, words in ((self.folder / "none.json", "there is no file or folder"), (self.folder, "there are no tests"),
                            (self.write(), "there is no case to run")):
            self.assertIn(words, self.run_tests(path, code=EXIT_USAGE).stderr)

    def test_a_faulty_file_does_not_hide_the_others(self):
        harness.write_json(self.folder / "a.json", {**orders(order("a", {})), "name": 5})
        harness.write_json(self.folder / "b.json", orders(order("b", {"db": {"count": 1}})))
        run = self.run_tests(self.folder, code=EXIT_FAULTY)
        self.assertIn("error[AB103]", run.stderr)
        self.assertRegex(run.stdout, r"(?m)^  ok    b ")
        self.assertRegex(run.stdout, r"(?m)^1 case, 0 failed, 1 file faulty in \d+ ms$")

    def test_secrets_are_not_shown(self):
        (self.folder / "secret").write_text("swordfish")
        case = order("a", {"out": [{"value": {"id": "${file:secret}"}}]}, id="${file:secret}", country="${file:secret}")
        case["match"] = "contains"
        case["expect"]["db"] = [{"key": "${file:secret}x"}]
        run = self.run_tests(self.write(case), "--allow-path", self.folder, code=EXIT_STAGE)
        self.assertIn('db[0].key: expected "***", got another value', run.stdout)
        self.assertNotIn("swordfish", run.stdout + run.stderr)
        file = self.folder / "topology.json"
        before = file.read_text()
        with unittest.mock.patch.dict(os.environ):
            os.environ.pop("CI", None)
            run = self.run_tests(file, "--allow-path", self.folder, "--record", "--yes", code=EXIT_STAGE)
        self.assertIn("cannot be recorded", run.stderr)
        self.assertEqual(file.read_text(), before)


# The elements of the JUnit form as Jenkins' xUnit plugin reads it (its schema junit-10): required and other attributes,
# and what an element may hold. "text": characters too.
JUNIT = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors"), ("testsuite",)),
    "testsuite": (("name", "tests", "failures", "errors"),
                  ("group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"),
                  ("testsuite", "properties", "testcase", "system-out", "system-err")),
    "properties": ((), (), ("property",)),
    "property": (("name", "value"), (), ()),
    "testcase": (("name",), ("time", "classname", "group"),
                 ("skipped", "error", "failure", "system-out", "system-err")),
    "failure": ((), ("type", "message"), ("text",)),
    "error": ((), ("type", "message"), ("text",)),
    "skipped": ((), ("type", "message"), ("text",)),
    "system-out": ((), (), ("text",)),
    "system-err": ((), (), ("text",)),
}
JUNIT_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def junit_faults(text):
    """What a reader of the JUnit form would refuse."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        return [str(error)]
    faults = [] if root.tag == "testsuites" else [f"the root is {root.tag}"]

    def look(element):
        if element.tag not in JUNIT:
            return faults.append(f"unknown element {element.tag}")
        required, others, inside = JUNIT[element.tag]
        faults.extend(f"{element.tag} has no {name}" for name in required if name not in element.attrib)
        faults.extend(f"{element.tag} has {name}" for name in element.attrib if name not in required + others)
        if element.tag.startswith("testsuite") and not JUNIT_TIME.fullmatch(element.get("time", "")):
            faults.append(f"time {element.get('time')}")
        texts = [element.text] + [child.tail for child in element]
        if "text" not in inside and any((each or "").strip() for each in texts):
            faults.append(f"text in {element.tag}")
        for child in element:
            if child.tag not in inside:
                faults.append(f"{child.tag} in {element.tag}")
            look(child)
        if element.tag == "testsuite":
            counts = [int(element.get(name, 0)) for name in ("tests", "failures", "errors")]
            seen = [len(element.findall(path)) for path in ("testcase", "testcase/failure", "testcase/error")]
            if counts != seen:
                faults.append(f"counts {counts}, seen {seen}")

    look(root)
    return faults


class Junit(TestCommand):
    def report(self, *paths, code):
        file = self.folder / "junit.xml"
        self.run_tests(*paths, "--junit", file, code=code)
        return file.read_text()

    def test_all_cases_together_are_valid(self):
        text = self.report(CASES, code=EXIT_FAULTY)
        self.assertEqual(junit_faults(text), [])
        root = ET.fromstring(text)
        self.assertEqual(len(root), len(folders()))
        suite = next(each for each in root if "mutated_model" in each.get("name"))
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("errors")), ("1", "1", "0"))
        properties = {each.get("name"): each.get("value") for each in suite.find("properties")}
        self.assertRegex(properties["topology"], r"^mutated-model@[0-9a-f]+$")
        self.assertIn("factor", properties["models"])
        failure = suite.find("testcase/failure")
        self.assertEqual(failure.get("message"), "out[0].value.y: expected 2, got 3")
        self.assertIn("out[2].value.y: expected 12, got 18", failure.text)
        odd = next(each for each in root if "odd_names" in each.get("name"))
        self.assertEqual(len(odd.findall("testcase/failure")), 3)
        faulty = next(each for each in root if "faulty_topology" in each.get("name"))
        self.assertEqual(faulty.get("errors"), "1")
        self.assertIn("amont", faulty.find("testcase/error").text)

    def test_the_check_refuses_what_is_broken(self):
        text = self.report(CASES / "mutated_model", code=EXIT_STAGE)
        self.assertEqual(junit_faults(text), [])
        for before, after in (("</testsuites>", ""), (' tests="1"', ""), (' failures="1"', ' failures="0"'),
                              ("<failure", "<fault"), ("classname=", "class="), ("</testcase>", "x</testcase>"),
                              (' time="0', ' time="soon'), ("<testsuites>", "<suites>")):
            broken = text.replace(before, after)
            if before in ("<failure", "<testsuites>"):
                broken = broken.replace(before.replace("<", "</"), after.replace("<", "</"))
            self.assertNotEqual(broken, text)
            self.assertNotEqual(junit_faults(broken), [], before)

    def test_a_report_that_cannot_be_written_is_an_error(self):
        run = self.run_tests(CASES / "passes", "--junit", self.folder / "no" / "junit.xml",
                             code=harness.EXIT_UNAVAILABLE)
        self.assertIn("cannot write", run.stderr)


class Record(TestCommand):
    """What came out is written into the file; the next run passes."""

    def setUp(self):
        super().setUp()
        environment = unittest.mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        os.environ.pop("CI", None)

    NOT_RECORDABLE = {"batch_dependent_node", "stage_that_stops", "conditions", "columns_and_counts"}

    def copy(self, name):
        shutil.copyfile(CASES / "orders.json", self.folder / "orders.json")
        topology = (CASES / "score.json").read_text().replace("../../models", str(MODELS))
        (self.folder / "score.json").write_text(topology)
        target = self.folder / name
        shutil.copytree(CASES / name, target)
        own = target / "topology.json"
        if own.exists():
            own.write_text(own.read_text().replace("../../../models", str(MODELS)))
        return target / "cases.tests.json"

    def record(self, file, *args, code=EXIT_OK):
        return self.run_tests(file, "--record", *args, code=code)

    def test_every_failing_case_passes_afterwards(self):
        names = [folder.name for folder in folders()
                 if json.loads((folder / "expected.json").read_text())["exit"] == EXIT_STAGE]
        for name in names:
            if name in self.NOT_RECORDABLE:
                continue
            with self.subTest(name):
                file = self.copy(name)
                before = file.read_text()
                self.record(file, "--yes")
                after = file.read_text()
                self.assertNotEqual(after, before)
                self.run_tests(file)
                self.record(file, "--yes")
                self.assertEqual(file.read_text(), after, "what passes stays")
                self.assertNotIn("  \n", after)

    def test_what_cannot_be_recorded_is_said(self):
        for name in ("batch_dependent_node", "stage_that_stops", "conditions"):
            file = self.copy(name)
            before = file.read_text()
            run = self.record(file, "--yes", code=EXIT_STAGE)
            self.assertIn("cannot be recorded", run.stderr)
            self.assertEqual(file.read_text(), before)

    def test_it_asks_first_and_shows_the_difference(self):
        file = self.copy("mutated_model")
        before = file.read_text()
        file.chmod(0o640)
        run = self.record(file, code=EXIT_USAGE)  # no terminal to ask
        self.assertIn("--yes", run.stderr)
        self.assertEqual(file.read_text(), before)
        run = self.record(file, "--yes")
        self.assertRegex(run.stderr, r'(?m)^- 7: .*"y": 2,')
        self.assertRegex(run.stderr, r'(?m)^\+ 7: .*"y": 3,')
        self.assertEqual(file.stat().st_mode & 0o777, 0o640)
        self.assertEqual(sorted(each.name for each in file.parent.iterdir()),
                         ["cases.tests.json", "expected.json", "topology.json"])

    def test_it_is_refused_in_a_build(self):
        file = self.copy("mutated_model")
        before = file.read_text()
        run = self.run_tests(file, "--record", "--yes", code=EXIT_USAGE, env={"CI": "true"})
        self.assertIn("CI", run.stderr)
        self.assertEqual(file.read_text(), before)


class Load(TestCommand):
    """Many cases: time, and what is left behind. tests/topologies/trial counts how often a model is opened."""

    def model_cases(self, count, name="many.json"):
        topology = harness.load_topology(CASES / "score.json")
        topology["models"]["factor"]["path"] = "model.onnx"
        topology["tests"] = [
            {"name": f"case {i}", "given": {"events": [{"value": {"id": "a", "x": i}}, {"value": {"id": "b", "x": 1}}]},
             "expect": {"out": [{"key": "a", "value": {"id": "a", "y": 3 * i, "grade": {"$any": True}}}, {"key": "b"}]}}
            for i in range(count)]
        shutil.copyfile(MODELS / "odd" / "thrice.onnx", self.folder / "model.onnx")
        return harness.write_json(self.folder / name, topology)

    def test_a_hundred_small_cases_take_a_second(self):
        file = self.model_cases(100)
        begin = time.monotonic()
        run = self.run_tests(file)
        seconds = time.monotonic() - begin
        self.assertIn("100 cases, 0 failed", run.stdout)
        print(f"\n    100 cases with a model: {seconds:.2f} s", end=" ")
        self.assertLess(seconds, 5 * harness.PATIENCE)

    def test_a_thousand_cases(self):
        file = harness.write_json(self.folder / "t.json", orders(*(order(f"case {i}", {"db": {"count": 1}}) for i in range(1000))))
        self.assertIn("1000 cases, 0 failed", self.run_tests(file, timeout=120).stdout)

    def temporary(self):
        return {path for folder in ("/dev/shm", self.folder / "tmp") for path in pathlib.Path(folder).glob("anabranch-trial-*")}

    def stuck(self):
        """A case whose model never returns."""
        topology = harness.load_topology(CASES / "score.json")
        topology["models"]["factor"]["path"] = str(MODELS / "odd" / "loops_for_99.onnx")
        topology["tests"] = [{"name": f"stuck {i}", "given": {"events": [{"value": {"id": "a", "x": 200}}]}} for i in range(50)]
        before = self.temporary()
        run = self.start("test", harness.write_json(self.folder / "stuck.json", topology), "--allow-path", MODELS)
        self.wait_until("the folder of a trial", 30, lambda: self.temporary() - before, run)
        time.sleep(0.3)
        return run, self.temporary() - before

    def test_an_interrupt_ends_it_at_once(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run, _ = self.stuck()
            begin = time.monotonic()
            run.send(number)
            self.assertEqual(run.wait(10), 130)
            self.assertLess(time.monotonic() - begin, 4 * harness.PATIENCE)

    def test_nothing_stays_behind_also_after_a_kill(self):
        run, left = self.stuck()
        run.kill()
        self.assertTrue(all(path.exists() for path in left))
        file = self.model_cases(2)
        self.run_tests(file)
        self.assertFalse(any(path.exists() for path in left), "the next run takes it away")

    def test_a_run_leaves_no_file(self):
        file = self.model_cases(2)
        before = sorted(self.folder.iterdir()), self.temporary()
        self.run_tests(file, env={"TMPDIR": str(self.folder)})
        after = sorted(path for path in self.folder.iterdir() if not path.name.startswith("run-"))
        self.assertEqual((after, self.temporary()), ([p for p in before[0] if not p.name.startswith("run-")], before[1]))


class Examples(TestCommand):
    """The topologies of the examples and templates have tests, and these notice a change of any expression."""

    FILES = sorted(harness.ROOT.glob("examples/*/topology*.json"))

    def test_all_pass(self):
        run = self.run_tests(harness.ROOT / "examples")
        self.assertIn(" 0 failed", run.stdout)
        shown = self.outcome(harness.ROOT / "examples")["files"]
        self.assertEqual(sorted(pathlib.Path(file["file"]) for file in shown), self.FILES)
        for file in shown:
            self.assertGreaterEqual(len(file["cases"]), 3, file["file"])

    def test_a_broken_model_is_caught(self):
        folder = harness.copy_example("restart", self.folder)
        self.run_tests(folder)
        shutil.copyfile(folder / "models" / "broken.onnx", folder / "models" / "risk.onnx")
        self.anabranch("check", folder / "topology.json", code=EXIT_OK)
        run = self.run_tests(folder, code=EXIT_STAGE)
        self.assertIn("risk: model: ", run.stdout)

    def mutants(self, topology):
        """The topology with one number of one expression changed, each in turn."""
        for node in topology["nodes"].values():
            for section in ("set", "rules"):
                for name, text in node.get(section, {}).items():
                    for found in re.finditer(r"(?<![\w.])\d+(\.\d+)?(e\d+)?(?![\w.])", text):
                        node[section][name] = text[:found.start()] + str(float(found.group()) * 1.1) + text[found.end():]
                        yield f"{name}: {node[section][name]}"
                        node[section][name] = text
                    for sign, other in ((">=", "<"), ("<=", ">"), (" * ", " + "), (" / ", " * ")):
                        if sign in text:
                            node[section][name] = text.replace(sign, other, 1)
                            yield f"{name}: {node[section][name]}"
                            node[section][name] = text
            if "where" in node or "when" in node:
                key = "where" if "where" in node else "when"
                text = node[key]
                node[key] = f"!({text})"
                yield f"{key}: {node[key]}"
                node[key] = text

    def test_a_change_of_an_expression_is_caught(self):
        changed = 0
        for file in self.FILES:
            topology = harness.load_topology(file)
            for what in self.mutants(topology):
                copy = file.with_name("mutant.json")
                folder = self.folder / file.parent.name
                if not folder.exists():
                    shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns(".anabranch", "predictions.*"))
                with self.subTest(file=file.parent.name + "/" + file.name, change=what):
                    self.run_tests(harness.write_json(folder / copy.name, topology), code=EXIT_STAGE)
                changed += 1
        self.assertGreater(changed, 5)

    def test_templates_have_tests(self):
        for path in sorted(harness.ROOT.glob("topologies/templates/*.json")):
            with self.subTest(path.name):
                folder = self.folder / path.stem
                self.anabranch("init", "--template", path.stem, folder, code=EXIT_OK)
                topology = harness.load_topology(folder / "topology.json")
                self.assertGreaterEqual(len(topology["tests"]), 2)
                for model in topology.get("models", {}).values():
                    target = folder / model["path"]
                    target.parent.mkdir(exist_ok=True)
                    shutil.copyfile(MODELS / "logistic_string_labels.onnx", target)
                self.run_tests(folder)


class Page(TestCommand):
    """docs/testing.md"""

    def test_the_example_does_what_the_page_says(self):
        page = (harness.ROOT / "docs" / "testing.md").read_text()
        section = page[page.index("## Test:"):page.index("\n## ", page.index("## Test:") + 1)]
        topology = re.search(r"(?s)```json\n(.*?)```", section).group(1)
        shown = re.search(r"(?s)```\n(payments\.json\n.*?)```", section).group(1)
        file = self.folder / "payments.json"
        file.write_text(topology)
        run = self.run_tests(file, code=EXIT_STAGE)
        plain = lambda text: re.sub(r" +\d+ ms", " N ms", text.replace(str(file), "payments.json"))
        self.assertEqual(plain(run.stdout), plain(shown))

    def test_every_key_is_on_the_page(self):
        page = (harness.ROOT / "docs" / "testing.md").read_text()
        schema = json.loads(self.anabranch("schema", code=EXIT_OK).stdout)
        keys = schema["properties"]["tests"]["items"]["properties"]
        self.assertGreater(len(keys), 8)
        for key in keys:
            if key not in ("description",) and not key.startswith("$"):
                self.assertIn(f"`{key}`", page)


if __name__ == "__main__":
    harness.main()
