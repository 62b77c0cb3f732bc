"""Small pipelines from files to files and databases, with every graph shape in which a stage can fail. No broker."""
import copy
import json
import pathlib
import random
import shutil
import sqlite3

from oracle import harness

INPUTS = [f"x{i}" for i in range(10)]
SCHEMA = {"type": "object", "required": ["id", "n", *INPUTS],
          "properties": {"id": {"type": "string"}, "n": {"type": "integer"}, **{x: {"type": "number"} for x in INPUTS}}}
MODELS = {"mlp": "mlp_8_64_64_1.onnx", "linear": "linear_regressor.onnx", "hist": "hist_gradient_boosting.onnx"}


def source(path):
    return {"file": {"path": path}, "format": "json", "schema": "case", "key": {"field": "id"}}


def validate(*inputs, **more):
    return {"kind": "validate", "inputs": list(inputs), "rules": {"sane": "x0 < 100"}, **more}


def transform(*inputs, **more):
    return {"kind": "transform", "inputs": list(inputs), **more}


def infer(model, column, *inputs, **more):
    output = {"mlp": "Y[0]", "linear": "variable[0]", "hist": "probabilities[1]"}[model]
    return {"kind": "infer", "inputs": list(inputs), "model": model, "features": INPUTS[:8 if model == "mlp" else 10],
            "outputs": {column: output}, **more}


def ensemble(members, *inputs, **more):
    return {"kind": "ensemble", "inputs": list(inputs), "method": "mean", "members": members, "outputs": {"score": "value"}, **more}


def to_file(path, fields, *inputs, **more):
    return {"kind": "persist", "inputs": list(inputs), "to": {"file": {"path": path}}, "fields": fields, **more}


def to_table(fields, *inputs, **more):
    return {"kind": "persist", "inputs": list(inputs), "to": {"sqlite": {"path": "out.db", "table": "results"}}, "fields": fields, **more}


def two_models(after, **more):
    return {"m": infer("mlp", "p_m", after, **more), "l": infer("linear", "p_l", after, **more),
            "vote": ensemble(["p_m", "p_l"], "m", "l")}


SHAPES = {
    "chain": {
        "check": validate("a"), "feat": transform("check", set={"low": "x0 + x1", "size": "log1p(abs(x2))"}),
        "score": infer("mlp", "p", "feat"), "vote": ensemble(["p"], "score"), "last": transform("vote", set={"twice": "score * 2"}),
        "out": to_file("out.jsonl", ["n", "low", "p", "score", "twice"], "last")},
    "diamond": {
        "check": validate("a"), **two_models("check"), "out": to_file("out.jsonl", ["n", "p_m", "p_l", "score"], "vote")},
    "fan_in": {
        "left": transform("a", set={"l1": "x0 * 2"}), "middle": transform("a", set={"m1": "x1 * 3"}),
        "right": infer("hist", "r1", "a"), "join": transform("left", "middle", "right", set={"all": "l1 + m1 + r1"}),
        "out": to_file("out.jsonl", ["n", "l1", "m1", "r1", "all"], "join")},
    "two_sources": {
        "check": validate("a", "b"), "score": infer("linear", "p", "check"), "out": to_file("out.jsonl", ["n", "p"], "score")},
    "two_targets": {
        "feat": transform("a", set={"low": "x0 + x1"}), "score": infer("linear", "p", "feat"),
        "out": to_file("out.jsonl", ["n", "low", "p"], "score"), "table": to_table(["n", "p"], "score")},
    "filter_branches": {
        "even": transform("a", where="n % 2 == 0", set={"e": "x0 + 1"}), "third": transform("a", where="n % 3 == 0", set={"t": "x1 + 1"}),
        "either": transform("even", "third", join="any", set={"sum": "coalesce(e, 0.0) + coalesce(t, 0.0)"}),
        "both": transform("even", "third", set={"product": "e * t"}),
        "out": to_file("out.jsonl", ["n", "e", "t", "sum"], "either"), "other": to_file("other.jsonl", ["n", "product"], "both")},
    "skipped_rows": {
        "check": validate("a"), "m": infer("mlp", "p_m", "check", when="n % 3 == 0"), "l": infer("linear", "p_l", "check"),
        "vote": {**ensemble(["p_m", "p_l"], "m", "l"), "missing": "renormalise"},
        "out": to_file("out.jsonl", ["n", "p_m", "p_l", "score"], "vote")},
    "keep_marks": {
        "check": validate("a"), "feat": transform("check", set={"low": "x0 + x1"}, keep="always"),
        "score": infer("mlp", "p", "feat", keep="always"), "last": transform("score", set={"twice": "p * 2"}),
        "out": to_file("out.jsonl", ["n", "low", "p", "twice"], "last"), "table": to_table(["n", "p"], "score")},
    "refused_rows": {
        "check": validate("a"), "feat": transform("check", set={"share": "100 / (n - 7)"}),
        "score": infer("hist", "p", "feat"), "out": to_file("out.jsonl", ["n", "share", "p"], "score")},
}


class Rig:
    """One shape with its input, in folders: `lay` prepares a folder, `outcome` reads the results of a run."""

    def __init__(self, shape, rows, seed, **settings):
        self.shape, self.rows = shape, rows
        nodes = copy.deepcopy(SHAPES[shape])
        sources = sorted({i for node in nodes.values() for i in node["inputs"]} - set(nodes))
        used = sorted({node["model"] for node in nodes.values() if "model" in node})
        self.topology = {
            "anabranch": 1, "name": shape.replace("_", "-"), "schemas": {"case": SCHEMA},
            "models": {model: {"path": f"models/{MODELS[model]}"} for model in used},
            "sources": {id: source(f"{id}.jsonl") for id in sources}, "nodes": nodes, "delivery": "exactly_once",
            "dead_letters": {"file": {"path": "dead.jsonl"}}, "limits": {"dead_letters": {"share": 1.0, "rows": 1000000}}, **settings}
        made = random.Random(seed)
        self.inputs = {id: [self._case(made, id, n) for n in range(rows)] for id in sources}

    def _case(self, made, id, n):
        case = {"id": f"{id}{n:05d}", "n": n, **{x: round(made.uniform(-3, 3), 4) for x in INPUTS}}
        if self.shape == "refused_rows" and n % 11 == 3:
            case["x0"] = 1e6
        return json.dumps(case)

    @property
    def nodes(self):
        return self.topology["nodes"]

    def above(self, node):
        """All nodes above this one."""
        found, left = set(), list(self.nodes[node]["inputs"])
        while left:
            if (id := left.pop()) in self.nodes and id not in found:
                found.add(id)
                left += self.nodes[id]["inputs"]
        return found

    def lay(self, folder):
        folder = pathlib.Path(folder)
        (folder / "models").mkdir(parents=True)
        for model in self.topology["models"]:
            shutil.copy(harness.ROOT / "tests" / "models" / MODELS[model], folder / "models")
        for id, lines in self.inputs.items():
            (folder / f"{id}.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return harness.write_json(folder / "topology.json", self.topology)

    def spoil(self, folder, nodes):
        """Changes what these nodes would compute: weights of their model, numbers in their expressions. Returns those
        that were changed; results of theirs that are computed again differ."""
        folder, topology, changed = pathlib.Path(folder), copy.deepcopy(self.topology), []
        shared = {node.get("model") for id, node in self.nodes.items() if id not in nodes}
        for id in sorted(nodes):
            node = topology["nodes"][id]
            if node["kind"] == "transform" and "set" in node:
                node["set"] = {column: f"({text}) + 1" for column, text in node["set"].items()}
                changed.append(id)
            elif node.get("model") == "mlp" and "mlp" not in shared:
                path = folder / "models" / MODELS["mlp"]
                data = bytearray(path.read_bytes())
                middle = len(data) // 2
                data[middle:middle + 2048] = b"\x3c" * 2048  # within its largest matrix: some other floats
                path.write_bytes(data)
                changed.append(id)
        harness.write_json(folder / "topology.json", topology)
        return changed

    def outcome(self, folder):
        """target -> its content in order, by source, because results of two sources may interleave in any way."""
        folder, found = pathlib.Path(folder), {}
        for node in self.nodes.values():
            if "file" in node.get("to", {}):
                path = folder / node["to"]["file"]["path"]
                lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
                found[path.name] = self._by_source(lines, lambda line: json.loads(line)["id"])
            elif "sqlite" in node.get("to", {}):
                found["table"] = self._by_source(self._table(folder / "out.db"), lambda row: row[0])
        dead = folder / "dead.jsonl"
        lines = [json.loads(line) for line in dead.read_text().splitlines()] if dead.exists() else []
        # Their headers hold the time of the failure.
        found["dead"] = sorted((line["key"], line["value_text"], line["headers"]["anabranch.error.node"],
                                line["headers"]["anabranch.error.offset"]) for line in lines)
        return found

    @staticmethod
    def _by_source(items, id_of):
        by_source = {}
        for item in items:
            by_source.setdefault(id_of(item).split("/")[0], []).append(item)
        return by_source

    @staticmethod
    def _table(path):
        if not path.exists():
            return []
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise AssertionError(f"{path} is damaged")
            return database.execute("SELECT id, key, n, p FROM results ORDER BY rowid").fetchall()
        finally:
            database.close()


def difference(expected, found):
    """None, or a short text on the first difference of two outcomes."""
    for target in expected:
        if expected[target] == found.get(target):
            continue
        pairs = [(f"{target}, source {s}", expected[target].get(s, []), found[target].get(s, []))
                 for s in sorted({*expected[target], *found[target]})] if isinstance(expected[target], dict) \
            else [(target, expected[target], found[target])]
        for what, right, wrong in pairs:
            if right != wrong:
                at = next((i for i, (x, y) in enumerate(zip(right, wrong)) if x != y), min(len(right), len(wrong)))
                return (f"{what}: {len(right)} wanted, {len(wrong)} found; at {at}: wanted {right[at:at + 1]}, "
                        f"found {wrong[at:at + 1]}")
    return None
