#!/usr/bin/env python3
"""Writes every file of this example except the topology: two exports of one model, the cases, the expected results.

    "$(tests/setup/python)" examples/restart/train.py

The model is a logistic regression on four features and the size class of a sample. The class is worst_area in steps of
50, and each class has one weight. In the ONNX graph the weights are a table, and the class is the index into it (Gather).

models/risk.onnx    has the whole table.
models/broken.onnx  has only the first three weights. Its inputs, outputs and types are the same. It loads, and it can
                    score tiny numbers such as those of the probe when a model is loaded. No real sample is that small.

Training and graph use float32 everywhere.
"""

import csv
import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

onnxruntime.set_default_logger_severity(4)  # the errors of the broken export are expected here
FOLDER = pathlib.Path(__file__).resolve().parent
SEED = 7
CLASSES, STEP, BROKEN_CLASSES = 100, 50, 3
FIELDS = ["mean_area", "mean_perimeter", "mean_texture", "worst_area", "worst_smoothness", "worst_concave_points"]
SCALED = ["mean_texture", "worst_smoothness", "worst_concave_points", "shape_index"]
TOLERANCE = 1e-5

data = load_breast_cancer()
columns = {name.replace(" ", "_"): data.data[:, i] for i, name in enumerate(data.feature_names)}
columns["shape_index"] = columns["mean_perimeter"] * columns["mean_perimeter"] / (12.566370614359172 * columns["mean_area"])
malignant = (data.target == 0).astype(np.int64)
features = np.column_stack([columns[name] for name in [*SCALED, "worst_area"]]).astype(np.float32)
size_class = np.floor(features[:, -1] / np.float32(STEP)).astype(np.int64)

train, held_out = train_test_split(np.arange(len(malignant)), test_size=1 / 3, stratify=malignant, random_state=SEED)
held_out.sort()

scaler = StandardScaler().fit(features[train, :-1])
mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
design = np.hstack([(features[:, :-1] - mean) / scale, np.eye(CLASSES, dtype=np.float32)[size_class]])
regression = LogisticRegression(C=1.0, max_iter=1000).fit(design[train], malignant[train])
weights = regression.coef_[0].astype(np.float32)


def export(name, table):
    def constant(label, value, kind=np.float32):
        return numpy_helper.from_array(np.asarray(value, dtype=kind), label)

    count = len(SCALED)
    graph = helper.make_graph(
        [helper.make_node("Slice", ["X", "zero", "count", "axis"], ["raw"]),
         helper.make_node("Slice", ["X", "count", "width", "axis"], ["area"]),
         helper.make_node("Sub", ["raw", "mean"], ["centred"]),
         helper.make_node("Div", ["centred", "scale"], ["scaled"]),
         helper.make_node("MatMul", ["scaled", "weights"], ["linear"]),
         helper.make_node("Div", ["area", "step"], ["steps"]),
         helper.make_node("Floor", ["steps"], ["floor"]),
         helper.make_node("Cast", ["floor"], ["class"], to=TensorProto.INT64),
         helper.make_node("Gather", ["table", "class"], ["by_size"], axis=0),
         helper.make_node("Add", ["linear", "by_size"], ["sum"]),
         helper.make_node("Add", ["sum", "bias"], ["score"]),
         helper.make_node("Sigmoid", ["score"], ["p"])],
        "risk",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", count + 1])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 1])],
        [constant("zero", [0], np.int64), constant("count", [count], np.int64), constant("width", [count + 1], np.int64),
         constant("axis", [1], np.int64), constant("mean", mean), constant("scale", scale), constant("step", STEP),
         constant("weights", weights[:count, None]), constant("table", table), constant("bias", regression.intercept_)])
    model = helper.make_model(graph, producer_name="anabranch-examples", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString(deterministic=True)
    (FOLDER / "models").mkdir(exist_ok=True)
    (FOLDER / "models" / f"{name}.onnx").write_bytes(content)
    print(f"{name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


table = weights[len(SCALED):]
good, broken = export("risk", table), export("broken", table[:BROKEN_CLASSES])

expected = regression.predict_proba(design[held_out])[:, 1]
difference = float(np.abs(good.run(None, {"X": features[held_out]})[0][:, 0] - expected).max())
right = int(((expected >= 0.5) == malignant[held_out]).sum())
print(f"correct in {right} of {len(held_out)}, ONNX differs by at most {difference:.1e}")

taken = 0
for row in features[held_out]:
    try:
        broken.run(None, {"X": row[None, :]})
        taken += 1
    except Exception as error:  # ONNX Runtime has no narrower public type
        message = str(error)
print(f"the broken export scores {taken} samples; the last error: {message}")

ids = [f"case-{i:04d}" for i in held_out]
with open(FOLDER / "cases.jsonl", "w", encoding="utf-8", newline="\n") as lines:
    for case, i in zip(ids, held_out):
        record = {"id": case} | {name: float(columns[name][i]) for name in FIELDS}
        lines.write(json.dumps(record, separators=(",", ":")) + "\n")

with open(FOLDER / "expected.csv", "w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "p_malignant", "grade"])
    for case, p in zip(ids, expected):
        writer.writerow([case, repr(float(p)), "review" if p >= 0.5 else "routine"])

if difference > TOLERANCE or taken:
    sys.exit("the exports are not what this example needs")
