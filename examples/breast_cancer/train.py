#!/usr/bin/env python3
"""Trains the three models of this example and writes models/*.onnx, cases.jsonl and expected.csv.

    "$(tests/setup/python)" examples/breast_cancer/train.py

Every run with the versions of tests/setup/requirements.txt writes the same bytes. The features are those that the
pipeline gives to the models. Numbers of the record are read as float64, derived features are computed from them in
float64, and all features are then cast to float32. The models are trained and scored on these float32 values.
"""

import csv
import hashlib
import json
import pathlib
import sys

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDER = pathlib.Path(__file__).resolve().parent
SEED = 7
OPSETS = {"": 17, "ai.onnx.ml": 3}
WEIGHTS = {"p_logistic": 2, "p_forest": 1, "p_boosting": 1}
TOLERANCE = 1e-5

data = load_breast_cancer()
names = [name.replace(" ", "_") for name in data.feature_names]
MEAN = [name for name in names if name.startswith("mean_")]
WORST = [name for name in names if name.startswith("worst_")]
DERIVED = ["area_ratio", "shape_index"]

columns = {name: data.data[:, i] for i, name in enumerate(names)}
# The same expressions as in the transform node, in float64.
columns["area_ratio"] = columns["worst_area"] / columns["mean_area"]
columns["shape_index"] = columns["mean_perimeter"] * columns["mean_perimeter"] / (12.566370614359172 * columns["mean_area"])

malignant = (data.target == 0).astype(np.int64)  # the bundled data says 0 for malignant
diagnosis = np.where(malignant == 1, "malignant", "benign")


def matrix(features, rows):
    return np.column_stack([columns[f][rows] for f in features]).astype(np.float32)


def content_of(onnx_model):
    opsets = sorted(onnx_model.opset_import, key=lambda o: o.domain)  # the exporter's order changes from run to run
    del onnx_model.opset_import[:]
    onnx_model.opset_import.extend(opsets)
    return onnx_model.SerializeToString(deterministic=True)


MODELS = {
    # Labels are strings and ZipMap is on, which is the default of the exporter: output_probability['malignant'].
    "logistic": dict(
        features=names,
        labels=diagnosis,
        zipmap=True,
        model=make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000)),
    ),
    "forest": dict(
        features=WORST + DERIVED,
        labels=malignant,
        zipmap=False,
        model=RandomForestClassifier(n_estimators=50, max_depth=8, random_state=SEED, n_jobs=1),
    ),
    "boosting": dict(
        features=MEAN + WORST + DERIVED,
        labels=malignant,
        zipmap=False,
        model=GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=SEED),
    ),
}

train, held_out = train_test_split(np.arange(len(malignant)), test_size=1 / 3, stratify=malignant, random_state=SEED)
held_out.sort()
ids = [f"case-{i:04d}" for i in held_out]

expected = {}
worst_difference = 0.0
(FOLDER / "models").mkdir(exist_ok=True)
for name, spec in MODELS.items():
    model, features = spec["model"], spec["features"]
    model.fit(matrix(features, train).astype(np.float64), spec["labels"][train])
    classifier = model[-1] if hasattr(model, "steps") else model
    onnx_model = to_onnx(
        model,
        initial_types=[("X", FloatTensorType([None, len(features)]))],
        options={id(classifier): {"zipmap": spec["zipmap"]}},
        target_opset=OPSETS,
        model_optim=True,
        name=f"breast_cancer_{name}",
    )
    content = content_of(onnx_model)
    (FOLDER / "models" / f"{name}.onnx").write_bytes(content)

    # The positive class is "malignant" in every column.
    positive = list(classifier.classes_).index("malignant" if spec["labels"] is diagnosis else 1)
    rows = matrix(features, held_out)
    expected[f"p_{name}"] = model.predict_proba(rows.astype(np.float64))[:, positive]

    outputs = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"X": rows})[1]
    exported = np.array([row["malignant"] for row in outputs]) if spec["zipmap"] else outputs[:, positive]
    difference = float(np.abs(exported - expected[f"p_{name}"]).max())
    worst_difference = max(worst_difference, difference)
    right = float(((expected[f"p_{name}"] > 0.5) == malignant[held_out]).mean())
    print(f"{name}: {len(features)} features, {len(content)} bytes, right {right:.3f}, "
          f"ONNX differs by at most {difference:.1e}, sha256 {hashlib.sha256(content).hexdigest()}")

expected["p_malignant"] = sum(w * expected[p] for p, w in WEIGHTS.items()) / sum(WEIGHTS.values())
print(f"weighted mean: right {((expected['p_malignant'] > 0.5) == malignant[held_out]).mean():.3f}")

with open(FOLDER / "cases.jsonl", "w", encoding="utf-8", newline="\n") as lines:
    for case, i in zip(ids, held_out):
        record = {"id": case} | {name: float(columns[name][i]) for name in names}  # repr: the shortest that round-trips
        lines.write(json.dumps(record, separators=(",", ":")) + "\n")

with open(FOLDER / "expected.csv", "w", encoding="utf-8", newline="") as table:
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", *expected, "diagnosis"])
    for row, (case, i) in enumerate(zip(ids, held_out)):
        writer.writerow([case, *(repr(float(column[row])) for column in expected.values()), diagnosis[i]])

if worst_difference > TOLERANCE:
    sys.exit(f"the exported models differ from scikit-learn by {worst_difference:.1e}")
