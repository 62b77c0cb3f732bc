"""Packages of a model whose answer tells its version: version V scores a record n with n + V * STEP."""
import json
import shutil

import harness

STEP = 100_000
MODEL = harness.ROOT / "tests" / "models" / "free_width.onnx"  # Y = the sum of its features
CRASH = harness.ROOT / "tests" / "models" / "odd" / "crash_for_311.onnx"  # Y = the first; kills the process where n = 311


def make(registry, version, *, column="n", wrong=False, latency_us=None, fails=None, model=MODEL):
    """A package in the registry, not yet packed. `wrong`: its always-set expects another answer. `fails`: an expression, of
    the rows that it fails; its tests have none of them."""
    folder = registry / f"sum-{version}"
    (folder / "tests").mkdir(parents=True)
    shutil.copyfile(model, folder / "model.onnx")
    add = int(version) * STEP
    features = {"x": f"{column} + {add}" if fails is None else f"({column} + {add}) / ({fails} ? 0 : 1)"}
    if model == CRASH:
        features["beside"] = column
    harness.write_json(folder / "features.json", {"set": features, "order": list(features)})
    rows = [{"inputs": {column: n}, "expect": {"Y": n + add + (STEP if wrong else 0)}} for n in (0, 1, 8)]
    (folder / "tests" / "always.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = {"anabranch_package": 1, "name": "sum", "version": version, "inputs": {column: "int64"}, "features": list(features),
                "outputs": {"Y": {"type": "float32"}}, "gate": {"always": {"tolerance": 1e-6}}}
    if latency_us is not None:
        manifest["limits"] = {"latency_us_per_row": latency_us}
    harness.write_json(folder / "model.json", manifest)
    return folder


def version_of(n, y):
    """The version that scored n with y; None: none could have."""
    version, rest = divmod(round(y) - n, STEP)
    return str(version) if rest == 0 and version > 0 else None
