#!/usr/bin/env python3
"""Writes the small models of tests/models and tests/models/expected.json.

    "$(tests/setup/python)" tests/setup/make_test_models.py

expected.json: for each model its file, its inputs and outputs as the file has them (a dimension that is free is a string),
ten rows (one value per input, by name: what is [N,1] or [N] as a scalar, [N,F] as a list, the rest nested) and what the
library that made the model computes for these rows from their float32 values (one value per output, by name). JSON has no
NaN and no infinities: they are the strings "nan", "inf", "-inf".
"""

import json
import math
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "models"
SEED = 7
OPSETS = {"": 17, "ai.onnx.ml": 3}
ROWS = 10
TOLERANCE = 1e-5
LIMITS = {"ffnn_784": 130_000}  # bytes; the others 60,000

entries = {}


def float32(values):
    """Values of float32 in float64: what a library is given that computes in float64."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        # A float32 in its shortest form; everything else as the float64 it is.
        short = float(str(np.float32(value)))
        return short if np.float64(np.float32(value)) == value and np.float32(short) == np.float32(value) else float(value)
    return str(value)


def describe(arg):
    kind = arg.type
    if kind.startswith("tensor("):
        shape = ["N" if d is None else d for d in arg.shape]
        return {"name": arg.name, "type": kind[7:-1], "shape": shape}
    return {"name": arg.name, "type": kind}


def same(got, expected):
    if isinstance(expected, dict):
        return {str(k) for k in got} == {str(k) for k in expected} and all(
            same(v, {str(a): b for a, b in expected.items()}[str(k)]) for k, v in got.items())
    got, expected = np.asarray(got), np.asarray(expected)
    if expected.dtype.kind in "fc":
        return got.shape == expected.shape and np.allclose(
            got.astype(np.float64), expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    return got.shape == expected.shape and (got == expected).all()


def content_of(model):
    opsets = sorted(model.opset_import, key=lambda o: o.domain)  # the exporter's order changes from run to run
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model.SerializeToString(deterministic=True)


def add(name, model, library, inputs, outputs, note, one_by_one=False):
    """inputs, outputs: name → an array (or list of maps) with one item per row."""
    content = content_of(model)
    limit = LIMITS.get(name, 60_000)
    assert len(content) <= limit, f"{name}: {len(content)} bytes, more than {limit}"
    (FOLDER / f"{name}.onnx").write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == set(inputs), (name, [i.name for i in session.get_inputs()])
    names = [o.name for o in session.get_outputs()]
    assert set(names) == set(outputs), (name, names)
    rows = len(next(iter(inputs.values())))
    parts = [slice(i, i + 1) for i in range(rows)] if one_by_one else [slice(0, rows)]
    for part in parts:
        for output, got in zip(names, session.run(names, {k: v[part] for k, v in inputs.items()})):
            for r, (a, b) in enumerate(zip(got, outputs[output][part])):
                assert same(a, b), f"{name}: {output} of row {part.start + r} is {a}, {library} says {b}"

    def of_row(values, r):
        return plain(values[r][0] if np.shape(values[r]) == (1,) else values[r])

    entries[name] = {
        "file": f"{name}.onnx",
        "note": note,
        "library": library,
        "tolerance": TOLERANCE,
        "inputs": [describe(i) for i in session.get_inputs()],
        "outputs": [describe(o) for o in session.get_outputs()],
        "rows": [{k: of_row(v, r) for k, v in inputs.items()} for r in range(rows)],
        "expected": [{k: of_row(outputs[k], r) for k in names} for r in range(rows)],
    }
    print(f"{name}: {len(content)} bytes, {[i.name for i in session.get_inputs()]} -> {names}")


def some_rows(x, count=ROWS):
    return np.asarray(x, dtype=np.float32)[np.random.default_rng(SEED).choice(len(x), count, replace=False)]


def export(model, features, zipmap=None):
    options = {} if zipmap is None else {id(model[-1] if hasattr(model, "steps") else model): {"zipmap": zipmap}}
    return to_onnx(model, initial_types=[("X", FloatTensorType([None, features]))], options=options, target_opset=OPSETS)


# --- scikit-learn -------------------------------------------------------------------------------------------------
def make_classifiers():
    iris = load_iris()
    x, rows = float32(iris.data), some_rows(iris.data)
    names = np.array([str(n) for n in iris.target_names])[iris.target]

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, names)
    label, p = model.predict(float32(rows)), model.predict_proba(float32(rows))
    add("logistic_string_labels", export(model, 4, zipmap=False), "scikit-learn", {"X": rows},
        {"label": label, "probabilities": p}, "three classes with string labels, no ZipMap")
    add("logistic_zipmap_string", export(model, 4, zipmap=True), "scikit-learn", {"X": rows},
        {"output_label": label, "output_probability": [dict(zip(model.classes_, r)) for r in p]}, "ZipMap, string labels")

    forest = RandomForestClassifier(n_estimators=15, max_depth=5, random_state=SEED, n_jobs=1).fit(x, iris.target)
    p = forest.predict_proba(float32(rows))
    add("forest_zipmap_int", export(forest, 4, zipmap=True), "scikit-learn", {"X": rows},
        {"output_label": forest.predict(float32(rows)), "output_probability": [dict(zip(forest.classes_, r)) for r in p]},
        "random forest, ZipMap, int64 labels")

    cancer = load_breast_cancer()
    x = float32(cancer.data[:, :10])
    holes = np.random.default_rng(SEED).random(x.shape) < 0.1
    x[holes] = np.nan
    model = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=SEED).fit(x, cancer.target)
    rows = some_rows(x)
    rows[0, :] = np.nan
    rows[1, 3] = np.nan
    add("hist_gradient_boosting", export(model, 10, zipmap=False), "scikit-learn", {"X": rows},
        {"label": model.predict(float32(rows)), "probabilities": model.predict_proba(float32(rows))},
        "takes NaN for a missing value (use \"nulls\": \"nan\")")


def make_regressors():
    data = load_diabetes()
    x, rows = float32(data.data), some_rows(data.data)
    model = LinearRegression().fit(x, data.target)
    add("linear_regressor", export(model, 10), "scikit-learn", {"X": rows}, {"variable": model.predict(float32(rows)).reshape(-1, 1)},
        "linear regression")
    model = GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=SEED).fit(x, data.target)
    add("boosting_regressor", export(model, 10), "scikit-learn", {"X": rows}, {"variable": model.predict(float32(rows)).reshape(-1, 1)},
        "gradient boosting regression")


def make_one_input_per_column():
    random = np.random.default_rng(SEED)
    count = 400
    amount = random.lognormal(3, 1, count).astype(np.float32)
    age = random.integers(18, 90, count)
    country = random.choice(["de", "fr", "it", "São Tomé"], count)
    x = np.empty((count, 3), dtype=object)
    x[:, 0], x[:, 1], x[:, 2] = amount.astype(np.float64), age, country
    y = ((amount > 25) ^ (country == "fr") | (age > 80)).astype(np.int64)
    model = make_pipeline(
        ColumnTransformer([
            ("amount", StandardScaler(), [0]),
            ("age", StandardScaler(), [1]),
            ("country", OneHotEncoder(handle_unknown="ignore"), [2]),
        ]),
        LogisticRegression(max_iter=500),
    ).fit(x, y)
    rows = x[random.choice(count, ROWS, replace=False)]
    rows[0, 2] = "nowhere"  # a class that training never saw
    types = [("amount", FloatTensorType([None, 1])), ("age", Int64TensorType([None, 1])), ("country", StringTensorType([None, 1]))]
    exported = to_onnx(model, initial_types=types, options={id(model[-1]): {"zipmap": False}}, target_opset=OPSETS)
    add("columns_mixed", exported, "scikit-learn",
        {"amount": rows[:, [0]].astype(np.float32), "age": rows[:, [1]].astype(np.int64), "country": rows[:, [2]].astype(str).astype(object)},
        {"label": model.predict(rows), "probabilities": model.predict_proba(rows)},
        "one input per column: float, int64 and string")


# --- XGBoost and LightGBM -----------------------------------------------------------------------------------------
def make_boosters():
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    from xgboost import XGBClassifier

    cancer = load_breast_cancer()
    x, rows = float32(cancer.data[:, :10]), some_rows(cancer.data[:, :10])
    types = [("X", Floats([None, 10]))]

    model = XGBClassifier(n_estimators=20, max_depth=3, random_state=SEED, n_jobs=1).fit(x, cancer.target)
    exported = convert_xgboost(model, name="xgboost_classifier", initial_types=types, target_opset=15)
    add("xgboost_classifier", exported, "XGBoost", {"X": rows},
        {"label": model.predict(rows), "probabilities": model.predict_proba(rows)}, "gradient boosted trees of XGBoost")

    model = LGBMClassifier(n_estimators=20, num_leaves=8, random_state=SEED, n_jobs=1, deterministic=True, verbose=-1).fit(x, cancer.target)
    exported = convert_lightgbm(model, name="lightgbm_classifier", initial_types=types, zipmap=False, target_opset=15)
    add("lightgbm_classifier", exported, "LightGBM", {"X": rows},
        {"label": model.predict(float32(rows)), "probabilities": model.predict_proba(float32(rows))},
        "gradient boosted trees of LightGBM")


# --- made by hand with onnx.helper: numpy is the library ----------------------------------------------------------
def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(name, nodes, inputs, outputs, constants=()):
    model = helper.make_model(
        helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants]),
        opset_imports=[helper.make_opsetid("", 17)],
        producer_name="anabranch-tests",
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return model


def network(name, widths, output, last):
    """Dense layers with ReLU between and `last` (an operator, or None) at the end; random weights."""
    random = np.random.default_rng(SEED)
    nodes, constants, layers, current = [], [], [], "X"
    for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        w = (random.standard_normal((fan_in, fan_out)) * math.sqrt(2 / fan_in)).astype(np.float32)
        b = (random.standard_normal(fan_out) * 0.1).astype(np.float32)
        layers.append((w, b))
        constants += [(f"w{i}", w), (f"b{i}", b)]
        is_last = i == len(widths) - 2
        out = output if is_last and last is None else f"dense{i}"
        nodes.append(helper.make_node("Gemm", [current, f"w{i}", f"b{i}"], [out]))
        if is_last:
            if last is not None:
                nodes.append(helper.make_node(last, [out], [output], **({"axis": 1} if last == "Softmax" else {})))
        else:
            nodes.append(helper.make_node("Relu", [out], [f"relu{i}"]))
            current = f"relu{i}"
    model = graph(name, nodes, [tensor("X", TensorProto.FLOAT, ["N", widths[0]])],
                  [tensor(output, TensorProto.FLOAT, ["N", widths[-1]])], constants)

    def compute(x):
        x = float32(x)
        for i, (w, b) in enumerate(layers):
            x = x @ w.astype(np.float64) + b.astype(np.float64)
            if i < len(layers) - 1:
                x = np.maximum(x, 0)
        if last == "Softmax":
            e = np.exp(x - x.max(axis=1, keepdims=True))
            x = e / e.sum(axis=1, keepdims=True)
        return x

    return model, compute


FLOAT, DOUBLE, INT64, BOOL, STRING = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING)


def make_by_hand():
    random = np.random.default_rng(SEED + 1)

    model, compute = network("mlp_8_64_64_1", [8, 64, 64, 1], "Y", None)
    rows = random.standard_normal((ROWS, 8)).astype(np.float32).round(3)
    add("mlp_8_64_64_1", model, "numpy", {"X": rows}, {"Y": compute(rows)}, "dense 8-64-64-1, ReLU between, random weights; benchmarks use it too")

    model, compute = network("ffnn_784", [784, 32, 32, 32, 32, 10], "probabilities", "Softmax")
    rows = (random.integers(0, 9, (ROWS, 784)) / 8).astype(np.float32)
    add("ffnn_784", model, "numpy", {"X": rows}, {"probabilities": compute(rows)}, "dense 784-32-32-32-32-10, ReLU between, softmax, random weights")

    rows = random.standard_normal((ROWS, 2, 3)).astype(np.float32).round(3)
    add("affine_2x3",
        graph("affine_2x3",
              [helper.make_node("Mul", ["T", "two"], ["twice"]), helper.make_node("Add", ["twice", "one"], ["Y"]),
               helper.make_node("Identity", ["T"], ["same"])],
              [tensor("T", FLOAT, ["N", 2, 3])], [tensor("Y", FLOAT, ["N", 2, 3]), tensor("same", FLOAT, ["N", 2, 3])],
              [("two", np.array(2, np.float32)), ("one", np.array(1, np.float32))]),
        "numpy", {"T": rows}, {"Y": float32(rows) * 2 + 1, "same": float32(rows)}, "tensor input: Y = 2 T + 1, same = T")

    weights = np.array([[1], [2], [3], [4]], np.float32)
    rows = random.standard_normal((ROWS, 4)).astype(np.float32).round(3)
    add("fixed_batch_1x4",
        graph("fixed_batch_1x4", [helper.make_node("MatMul", ["X", "w"], ["Y"])],
              [tensor("X", FLOAT, [1, 4])], [tensor("Y", FLOAT, [1, 1])], [("w", weights)]),
        "numpy", {"X": rows}, {"Y": float32(rows) @ weights}, "one row per call only: Y = x0 + 2 x1 + 3 x2 + 4 x3", one_by_one=True)

    rows = np.array([[1], [0], [-1], [2.5], [1e-30], [1e30], [0.5], [10], [100], [3]], np.float32)
    with np.errstate(all="ignore"):
        add("log", graph("log", [helper.make_node("Log", ["X"], ["Y"])], [tensor("X", FLOAT, ["N", 1])], [tensor("Y", FLOAT, ["N", 1])]),
            "numpy", {"X": rows}, {"Y": np.log(float32(rows))}, "Y = log X: -inf for 0, NaN below")

    make_inputs_by_hand(random)


def make_inputs_by_hand(random):
    """Models with several inputs, types and widths; `random` goes on where make_by_hand left it."""
    words = np.array([["alpha"], [""], ["naïve"], ["日本"], ["a\nb"], ["x"], ["y"], ["z"], ["\"q\""], ["end"]], dtype=object)
    a = random.standard_normal((ROWS, 1)).astype(np.float32).round(3)
    b = random.standard_normal((ROWS, 1)).round(6)
    c = random.integers(-1000, 1000, (ROWS, 1))
    d = random.integers(0, 2, (ROWS, 1)).astype(bool)
    add("dtypes",
        graph("dtypes",
              [helper.make_node("Cast", ["a"], ["a64"], to=DOUBLE), helper.make_node("Cast", ["c"], ["c64"], to=DOUBLE),
               helper.make_node("Cast", ["d"], ["d64"], to=DOUBLE), helper.make_node("Sum", ["a64", "b", "c64", "d64"], ["sum"]),
               helper.make_node("Add", ["c", "one"], ["next"]), helper.make_node("Not", ["d"], ["no"]),
               helper.make_node("Identity", ["s"], ["echo"])],
              [tensor("a", FLOAT, ["N", 1]), tensor("b", DOUBLE, ["N", 1]), tensor("c", INT64, ["N", 1]), tensor("d", BOOL, ["N", 1]),
               tensor("s", STRING, ["N", 1])],
              [tensor("sum", DOUBLE, ["N", 1]), tensor("next", INT64, ["N", 1]), tensor("no", BOOL, ["N", 1]), tensor("echo", STRING, ["N", 1])],
              [("one", np.array(1, np.int64))]),
        "numpy", {"a": a, "b": b, "c": c, "d": d, "s": words},
        {"sum": float32(a) + b + c + d, "next": c + 1, "no": ~d, "echo": words},
        "one input per column of each type: sum = a + b + c + d, next = c + 1, no = !d, echo = s")

    image = random.integers(0, 16, (ROWS, 1, 4, 4)).astype(np.float32)
    meta = random.standard_normal((ROWS, 2)).astype(np.float32).round(3)
    add("image_and_meta",
        graph("image_and_meta",
              [helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
               helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]), helper.make_node("Concat", ["column", "meta"], ["Y"], axis=1)],
              [tensor("image", FLOAT, ["N", 1, 4, 4]), tensor("meta", FLOAT, ["N", 2])], [tensor("Y", FLOAT, ["N", 3])],
              [("axis", np.array([1], np.int64))]),
        "numpy", {"image": image, "meta": meta},
        {"Y": np.concatenate([float32(image).mean(axis=(1, 2, 3))[:, None], float32(meta)], axis=1)},
        "two inputs: Y = (mean of image, meta0, meta1)")

    rows = random.standard_normal((ROWS, 5)).astype(np.float32).round(3)
    add("free_width",
        graph("free_width", [helper.make_node("ReduceSum", ["X", "axis"], ["Y"], keepdims=0)],
              [tensor("X", FLOAT, ["N", "F"])], [tensor("Y", FLOAT, ["N"])], [("axis", np.array([1], np.int64))]),
        "numpy", {"X": rows}, {"Y": float32(rows).sum(axis=1)}, "any number of features (five here): Y = their sum, of shape [N]")


def main():
    warnings.filterwarnings("ignore", category=UserWarning)
    FOLDER.mkdir(exist_ok=True)
    make_classifiers()
    make_regressors()
    make_one_input_per_column()
    make_boosters()
    make_by_hand()
    stale = {p.stem for p in FOLDER.glob("*.onnx")} - set(entries)
    if stale:
        sys.exit(f"tests/models has models which this script does not make: {sorted(stale)}")

    def block(key, value):
        if key in ("rows", "expected"):
            return f'    "{key}": [\n' + ",\n".join("      " + json.dumps(v, ensure_ascii=False) for v in value) + "\n    ]"
        return f'    "{key}": {json.dumps(value, ensure_ascii=False)}'

    parts = [f'  "{name}": {{\n' + ",\n".join(block(k, v) for k, v in entry.items()) + "\n  }" for name, entry in entries.items()]
    (FOLDER / "expected.json").write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
