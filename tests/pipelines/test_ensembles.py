"""Ensembles in whole pipelines: what they compute, against NumPy, SciPy and scikit-learn, and that a member which
failed never counts, against a reference of a few lines."""
import gzip
import json
import math
import os
import random

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE

SEED = int(os.environ.get("ANABRANCH_SEED", "8"))
CASES = harness.pathlib.Path(__file__).with_name("ensemble_cases.json.gz")


MODELS = harness.ROOT / "tests" / "models"


def array(item, size):
    return {"type": "array", "items": {"type": item}, "minItems": size, "maxItems": size}


class EnsembleCase(harness.PipelineCase):
    def run_rows(self, properties, nodes, rows, code=EXIT_OK, models=None):
        """Runs the rows through the nodes and writes the last node. Returns the run and the results by id."""
        topology = {
            "anabranch": 1, "name": "ensembles",
            "models": {name: {"path": str(path)} for name, path in (models or {}).items()},
            "schemas": {"row": {"type": "object", "required": ["id"],
                                "properties": {"id": {"type": "integer"}, **properties}}},
            "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "row", "key": "position"}},
            "nodes": {**nodes, "out": {"kind": "persist", "inputs": [list(nodes)[-1]], "fields": "*",
                                       "to": {"file": {"path": "out.jsonl"}}}},
            "dead_letters": {"file": {"path": "dead.jsonl"}},
            "limits": {"dead_letters": {"share": 1, "rows": 1_000_000}},
        }
        lines = (json.dumps({"id": i, **row}) + "\n" for i, row in enumerate(rows))
        (self.folder / "in.jsonl").write_text("".join(lines))
        file = harness.write_json(self.folder / "topology.json", topology)
        run = self.anabranch("run", file, "--fresh", "--allow-path", MODELS, code=code)
        lines = harness.read_lines(self.folder / "out.jsonl") if (self.folder / "out.jsonl").exists() else []
        return run, {line.fields["id"]: line.fields for line in lines}


class Methods(EnsembleCase):
    def test_every_method_gives_what_numpy_scipy_and_scikit_learn_give(self):
        cases = json.loads(gzip.decompress(CASES.read_bytes()))
        number, integer, text, vector = {"type": "number"}, {"type": "integer"}, {"type": "string"}, array("number", 3)
        kinds = {"l": integer, "s": text, "v": vector, "u": vector}
        columns = sorted(cases["rows"][0])
        properties = {c: kinds.get(c[0], number) if len(c) == 2 else number for c in columns}
        nodes, above = {"check": {"kind": "validate", "inputs": ["in"]}}, "check"
        for i, case in enumerate(cases["cases"]):
            node = {**case["node"], "inputs": [above]}
            node.setdefault("missing", "fail")
            nodes[f"e{i}"], above = node, f"e{i}"
        _, results = self.run_rows({**properties}, nodes, cases["rows"])
        self.assertEqual(len(results), len(cases["rows"]))
        for case in cases["cases"]:
            for row, expected in enumerate(case["expected"]):
                for column, value in expected.items():
                    got = results[row][column]
                    note = f'{case["node"]["method"]} {column}, row {row}: {got} instead of {value}'
                    if isinstance(value, (str, int)):
                        self.assertEqual(got, value, note)
                        continue
                    pairs = zip(got, value) if isinstance(value, list) else [(got, value)]
                    self.assertTrue(all(math.isclose(g, v, rel_tol=1e-6, abs_tol=1e-8) for g, v in pairs), note)


class Models(EnsembleCase):
    def test_a_model_that_fails_is_missing_with_its_cause(self):
        def infer(made, **more):
            return {"kind": "infer", "inputs": ["in"], "model": "log", "features": ["x"], "outputs": {made: "Y"},
                    **more}
        nodes = {"a": infer("pa", on_error="null"), "b": infer("pb", on_error={"default": {"pb": 9.0}}),
                 "c": infer("pc", allow_nan=True, nulls="nan"), "d": infer("pd", when="x > 1", on_error="null"),
                 "sure": {"kind": "transform", "inputs": ["a", "b", "c", "d"], "set": {"one": "1.0"}},
                 "vote": {"kind": "ensemble", "inputs": ["sure"], "method": "mean",
                          "members": ["pa", "pb", "pc", "pd", "one"], "missing": "renormalise",
                          "outputs": {"v": "value", "why": "missing_why"}}}
        rows = [{"x": 100.0}, {"x": -1.0}, {"x": None}]
        properties, models = {"x": {"type": ["number", "null"]}}, {"log": MODELS / "log.onnx"}
        _, results = self.run_rows(properties, nodes, rows, models=models)
        self.assertAlmostEqual(results[0]["v"], (4 * math.log(100) + 1) / 5, places=5)
        self.assertEqual(results[0]["why"], [])
        failed = ["pa:error", "pb:defaulted", "pc:nan", "pd:skipped"]
        self.assertEqual([(results[i]["v"], results[i]["why"]) for i in (1, 2)], [(1.0, failed)] * 2)

    def test_a_vector_takes_a_default(self):
        node = {"kind": "infer", "inputs": ["in"], "model": "m", "features": ["x"], "outputs": {"v": "output_probability"},
                "on_error": {"default": {"v": [0.1, 0.2, 0.7]}}}
        _, results = self.run_rows({"x": {**array("number", 4), "type": ["array", "null"]}}, {"a": node}, [{"x": None}],
                                   models={"m": MODELS / "logistic_zipmap_string.onnx"})
        for got, value in zip(results[0]["v"], [0.1, 0.2, 0.7], strict=True):
            self.assertAlmostEqual(got, value, places=6)

    def test_soft_votes_know_the_classes_of_a_zipmap(self):
        known = json.loads((MODELS / "expected.json").read_text())["logistic_zipmap_string"]
        infer = {"kind": "infer", "inputs": ["in"], "model": "m", "features": ["x"]}
        nodes = {"a": {**infer, "outputs": {"va": "output_probability", "label": "output_label"}},
                 "b": {**infer, "outputs": {"vb": "output_probability"}},
                 "vote": {"kind": "ensemble", "inputs": ["a", "b"], "method": "soft_vote", "members": ["va", "vb"],
                          "outputs": {"v": "value", "p": "probabilities", "i": "index"}}}
        _, results = self.run_rows({"x": array("number", 4)}, nodes, [{"x": row["X"]} for row in known["rows"]],
                                   models={"m": MODELS / "logistic_zipmap_string.onnx"})
        for i, expected in enumerate(known["expected"]):
            names = sorted(expected["output_probability"])
            self.assertEqual((results[i]["v"], names[results[i]["i"]]), (expected["output_label"],) * 2)
            for name, value in zip(names, results[i]["p"]):
                self.assertAlmostEqual(value, expected["output_probability"][name], places=5)


# ------------------------------------------------------------------------------------------------ failure patterns

CAUSES = ("skipped", "defaulted", "error", "null", "nan")
NAN = float("nan")


class Cell:
    """A value and its mark, which says why it is not a result of its maker."""

    def __init__(self, value=None, mark=None):
        self.value, self.mark = value, mark

    @property
    def cause(self):
        if self.mark:
            return self.mark
        if self.value is None:
            return "null"
        return "nan" if self.value != self.value else None


ORDER = {None: 0, "skipped": 1, "defaulted": 2, "error": 3}


def hand_on(value, *read):
    """The result of a transform over cells: the worst mark is passed on, but a value made from a skipped cell counts."""
    mark = max((cell.mark for cell in read), key=ORDER.get)
    return Cell(value, None if mark == "skipped" and value is not None else mark)


class Pipeline:
    """A random topology: members that fail on command, transforms below them, ensembles below these. Each part knows
    its node, and what becomes of a row."""

    def __init__(self, rng):
        self.rng, self.properties, self.steps = rng, {}, []
        self.nodes = {"check": {"kind": "validate", "inputs": ["in"]}}
        self.columns, self.ends, self.defaults = [], [], []
        for i in range(rng.randint(2, 5)):
            self.member(i)
        for i in range(rng.randint(0, 4)):
            self.transform(i)
        for i in range(3):
            self.ensemble(i)

    def member(self, i):
        """A node that fails where `bad` is 0 and is skipped where `go` is false."""
        x, bad, go, made = f"x{i}", f"bad{i}", f"go{i}", f"p{i}"
        self.properties |= {x: {"type": ["number", "null"]}, bad: {"type": "integer"}, go: {"type": "boolean"}}
        # sqrt of a negative number is NaN; the integer part fails where `bad` is 0.
        node = {"kind": "transform", "inputs": ["check"], "set": {made: f"sqrt({x}) + 0 * float(1 % {bad})"}}
        skips, policy = self.rng.random() < 0.5, self.rng.choice(["null", "default", "dead_letter"])
        if skips:
            node["when"] = go
        if policy == "null":
            node["on_error"] = "null"
        elif policy == "default":
            node["on_error"] = {"default": {made: 3.0}}
            self.defaults.append((f"m{i}", made))
        self.nodes[f"m{i}"] = node
        self.columns.append(made)
        self.ends.append(f"m{i}")

        def step(row, cells):
            if skips and not row[go]:
                cells[made] = Cell(None, "skipped")
            elif row[bad] == 0:
                if policy == "dead_letter":
                    return False
                cells[made] = Cell(3.0, "defaulted") if policy == "default" else Cell(None, "error")
            elif row[x] is None:
                cells[made] = Cell(None)
            else:
                cells[made] = Cell(math.sqrt(row[x]) if row[x] >= 0 else NAN)
            return True
        self.steps.append(step)

    def transform(self, i):
        """Below one or two members (or other transforms); may itself be skipped."""
        a, b = self.rng.choice(self.columns), self.rng.choice(self.columns)
        made, form = f"t{i}", self.rng.choice(["double", "coalesce", "if_null", "sum"])
        text = {"double": f"{a} * 2", "coalesce": f"coalesce({a}, 0.25)", "if_null": f"is_null({a}) ? 7.0 : {a}",
                "sum": f"{a} + {b}"}[form]
        node = {"kind": "transform", "inputs": list(self.ends), "set": {made: text}}
        go = self.rng.random() < 0.3
        if go:
            node["when"] = "go0"
        self.nodes[f"n{i}"] = node
        self.columns.append(made)
        self.ends = [f"n{i}"]

        def step(row, cells):
            x, y = cells[a], cells[b]
            if go and not row["go0"]:
                cells[made] = Cell(None, "skipped")
            elif form == "double":
                cells[made] = hand_on(None if x.value is None else x.value * 2, x)
            elif form == "coalesce":
                cells[made] = hand_on(0.25 if x.value is None else x.value, x)
            elif form == "if_null":
                cells[made] = hand_on(7.0 if x.value is None else x.value, x)
            else:
                cells[made] = hand_on(None if x.value is None or y.value is None else x.value + y.value, x, y)
            return True
        self.steps.append(step)

    def ensemble(self, i):
        rng, made = self.rng, [f"e{i}_{o}" for o in ("value", "used", "missing", "why")]
        members = rng.sample(self.columns, rng.randint(2, len(self.columns)))
        method = rng.choice(["mean", "weighted_mean", "median", "max", "geometric_mean", "first"])
        weights = {m: rng.choice([1, 2, 0.5]) for m in members} if method == "weighted_mean" else None
        missing = rng.choice(["renormalise", "renormalise", {"default": 0.5}] if method != "first" else ["renormalise"])
        quorum = rng.choice([None, None, rng.randint(1, len(members))])
        node = {"kind": "ensemble", "inputs": list(self.ends), "method": method, "members": weights or members,
                "missing": missing, "missing_max": {"share": 1, "rows": 1_000_000},
                "outputs": dict(zip(made, ("value", "members_used", "missing", "missing_why")))}
        if quorum:
            node["quorum"] = quorum
        self.nodes[f"e{i}"] = node
        self.ends = [f"e{i}"]

        def step(row, cells):
            causes = {m: cells[m].cause for m in members}
            here = [m for m in members if causes[m] is None]
            if not here or len(here) < (quorum or 1):
                return False
            counted = here if missing == "renormalise" else members
            values = [cells[m].value if m in here else 0.5 for m in counted]
            shares = [weights[m] for m in counted] if weights else [1] * len(counted)
            results = (combine(method, values, shares), len(here), [m for m in members if m not in here],
                       [f"{m}:{causes[m]}" for m in members if m not in here])
            for name, result in zip(made, results):
                cells[name] = Cell(result)
            return True
        self.steps.append(step)

    def expected(self, row):
        cells = {}
        if not all(step(row, cells) for step in self.steps):
            return None
        return {name: cell.value for name, cell in cells.items()}

    def row(self):
        row = {}
        for name in self.properties:
            if name.startswith("x"):
                row[name] = self.rng.choice([None, -1.0, *(round(self.rng.uniform(0.1, 9), 2) for _ in range(6))])
            elif name.startswith("bad"):
                row[name] = self.rng.choice([0, 1, 1, 1])
            else:
                row[name] = self.rng.random() < 0.7
        return row


def combine(method, values, weights):
    if method in ("mean", "weighted_mean"):
        return sum(w * v for w, v in zip(weights, values)) / sum(weights)
    if method == "median":
        ordered, half = sorted(values), len(values) // 2
        return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2
    if method == "geometric_mean":
        return 0.0 if 0 in values else math.exp(sum(map(math.log, values)) / len(values))
    return max(values) if method == "max" else values[0]


class FailedMembers(EnsembleCase):
    PATTERNS, ROWS = 1000, 60

    def test_a_member_that_failed_never_changes_a_vote_and_is_named_with_its_cause(self):
        rng, seen, causes, failed, runs = random.Random(SEED), set(), dict.fromkeys(CAUSES, 0), 0, 0
        while len(seen) < harness.scaled(self.PATTERNS):
            pipeline, runs = Pipeline(rng), runs + 1
            rows = [pipeline.row() for _ in range(self.ROWS)]
            _, results = self.run_rows(pipeline.properties, pipeline.nodes, rows)
            for i, row in enumerate(rows):
                expected = pipeline.expected(row)
                note = f"seed {SEED}, row {row}\n{json.dumps(pipeline.nodes, indent=1)}"
                if expected is None:
                    failed += 1
                    self.assertNotIn(i, results, note)
                    continue
                self.assertIn(i, results, note)
                for name, value in expected.items():
                    got = results[i][name]
                    if name.endswith("_value"):
                        self.assertTrue(math.isclose(got, value, rel_tol=1e-9), f"{name}: {got}, not {value}; {note}")
                    elif name.startswith("e"):
                        self.assertEqual(got, value, f"{name}; {note}")
                    if name.endswith("_why"):
                        seen.add((runs, name, *value))
                        for why in value:
                            causes[why.partition(":")[2]] += 1
            self.check_that_defaults_do_not_matter(pipeline, rows, results)
        self.assertTrue(all(causes.values()), f"every cause was met: {causes}")
        print(f"{len(seen)} patterns in {runs} topologies, causes {causes}, {failed} records without a result: "
              "0 differences", flush=True)

    def check_that_defaults_do_not_matter(self, pipeline, rows, before):
        if not pipeline.defaults:
            return
        for node, column in pipeline.defaults:
            pipeline.nodes[node]["on_error"] = {"default": {column: 1e9}}
        _, after = self.run_rows(pipeline.properties, pipeline.nodes, rows)
        ensembles = lambda fields: {name: value for name, value in fields.items() if name.startswith("e")}
        self.assertEqual({i: ensembles(f) for i, f in before.items()}, {i: ensembles(f) for i, f in after.items()},
                         "another default changed a vote")


class Policies(EnsembleCase):
    PROPERTIES = {"x": {"type": "number"}, "y": {"type": "number"}, "bad": {"type": "integer"}}

    def nodes(self, on_error, **ensemble):
        return {"a": {"kind": "transform", "inputs": ["in"], "set": {"pa": "x + 0 * float(1 % bad)"},
                      "on_error": on_error},
                "b": {"kind": "transform", "inputs": ["in"], "set": {"pb": "y"}},
                "vote": {"kind": "ensemble", "inputs": ["a", "b"], "method": "mean", "members": ["pa", "pb"],
                         "missing": "renormalise", "outputs": {"v": "value", "gone": "missing_why"}, **ensemble}}

    def rows(self, count, bad_every=2):
        return [{"x": 1.0, "y": 3.0, "bad": 0 if i % bad_every == 0 else 1} for i in range(count)]

    def status(self):
        return json.loads(self.anabranch("status", self.folder / "topology.json", "--format", "json").stdout)

    def test_a_default_does_not_vote(self):
        nodes = self.nodes({"default": {"pa": 100.0}}, outputs={"v": "value", "gone": "missing"})
        _, results = self.run_rows(self.PROPERTIES, nodes, self.rows(4))
        self.assertEqual([(results[i]["v"], results[i]["gone"]) for i in (0, 1)], [(3.0, ["pa"]), (2.0, [])])

    def test_a_default_is_counted_by_status(self):
        run, results = self.run_rows(self.PROPERTIES, self.nodes({"default": {"pa": 100.0}}), self.rows(10))
        self.assertEqual([results[i]["v"] for i in (0, 1)], [3.0, 2.0])
        self.assertEqual([results[i]["gone"] for i in (0, 1)], [["pa:defaulted"], []])
        self.assertEqual(results[0]["pa"], 100.0, "it is written all the same")
        nodes = self.status()["nodes"]
        self.assertEqual(nodes["vote"]["missing"], {"pa": {"defaulted": 5}})
        self.assertEqual((nodes["a"]["failed"], nodes["a"]["defaulted"], nodes["a"]["rows_out"]), (5, 5, 10))
        text = self.anabranch("status", self.folder / "topology.json").stdout
        self.assertIn("vote: pa in 5 of 10 records (50.0 %): defaulted 5", text)

    def test_on_error_null_goes_on_with_nulls(self):
        run, results = self.run_rows(self.PROPERTIES, self.nodes("null"), self.rows(4))
        self.assertEqual([(results[i]["pa"], results[i]["v"], results[i]["gone"]) for i in (0, 1)],
                         [(None, 3.0, ["pa:error"]), (1.0, 2.0, [])])
        self.assertEqual(self.status()["nodes"]["a"]["missed"], 2)

    def test_a_default_of_null_is_refused_and_the_hint_works(self):
        nodes = self.nodes({"default": {"pa": None}})
        run, _ = self.run_rows(self.PROPERTIES, nodes, self.rows(2), code=EXIT_FAULTY)
        self.assertIn('write "on_error": "null"', run.stderr)

    def test_a_list_takes_no_default_and_is_null(self):
        nodes = self.nodes("null", quorum=2)
        nodes["vote"]["on_error"] = {"default": {"v": 0.5, "gone": []}}
        run, _ = self.run_rows(self.PROPERTIES, nodes, self.rows(2), code=EXIT_FAULTY)
        self.assertIn("leave it out", run.stderr)
        del nodes["vote"]["on_error"]["default"]["gone"]
        _, results = self.run_rows(self.PROPERTIES, nodes, self.rows(2))
        self.assertEqual([(results[i]["v"], results[i]["gone"]) for i in (0, 1)], [(0.5, None), (2.0, [])])

    def test_check_asks_what_happens_when_a_member_can_fail(self):
        for on_error in ("null", {"default": {"pa": 0.5}}):
            nodes = self.nodes(on_error)
            del nodes["vote"]["missing"]
            run, _ = self.run_rows(self.PROPERTIES, nodes, self.rows(2), code=EXIT_FAULTY)
            self.assertIn('add "missing"', run.stderr)

    def test_a_member_that_always_fails_is_reported(self):
        run, results = self.run_rows(self.PROPERTIES, self.nodes("null"), self.rows(3000))
        self.assertEqual(len(results), 3000)
        reported = [line for line in run.stderr.splitlines() if 'member "pa" was missing in' in line]
        self.assertEqual(len(reported), 1, run.stderr)
        self.assertIn('"missing_max" is 0.05 of 1000', reported[0])

    def test_missing_max_stops_the_stage_and_a_restart_goes_on(self):
        nodes = self.nodes("null", missing_max="stop")
        run, results = self.run_rows(self.PROPERTIES, nodes, self.rows(3000), code=EXIT_STAGE)
        self.assertIn('member "pa" was missing in', run.stderr)
        self.assertLess(len(results), 3000)
        topology = json.loads((self.folder / "topology.json").read_text())
        topology["nodes"]["vote"]["missing_max"] = "warn"
        harness.write_json(self.folder / "topology.json", topology)
        self.anabranch("restart", self.folder / "topology.json", "--yes", code=EXIT_OK)
        lines = harness.read_lines(self.folder / "out.jsonl")
        self.assertEqual(sorted(line.fields["id"] for line in lines), list(range(3000)))
        for line in lines:
            self.assertEqual(line.fields["gone"], ["pa:error"] if line.fields["id"] % 2 == 0 else [], "kept with its cause")

    def test_a_skipped_member_is_no_alarm(self):
        nodes = self.nodes("null", missing_max="stop")
        nodes["a"]["when"] = "bad == 1"
        run, results = self.run_rows(self.PROPERTIES, nodes, self.rows(3000))
        self.assertEqual(results[0]["gone"], ["pa:skipped"])
        self.assertNotIn("was missing", run.stderr)

    def test_a_quorum_fails_the_record(self):
        self.run_rows(self.PROPERTIES, self.nodes("null", quorum=2), self.rows(4))
        letters = [json.loads(line) for line in (self.folder / "dead.jsonl").read_text().splitlines()]
        self.assertEqual([l["headers"]["anabranch.error.code"] for l in letters], ["quorum", "quorum"])
        self.assertIn('"pa" (error)', letters[0]["headers"]["anabranch.error.message"])


if __name__ == "__main__":
    harness.main()
