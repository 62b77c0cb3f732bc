#!/usr/bin/env python3
"""Trains the model of this example and writes models/mlp.onnx, cases.jsonl and expected.csv.

    "$(tests/setup/python)" examples/digits/train.py

Every run with the versions of tests/setup/requirements.txt writes the same bytes on one type of processor. The model is
trained and scored on float32 values. The pixels are integers from 0 to 16.
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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDER = pathlib.Path(__file__).resolve().parent
SEED = 7
OPSETS = {"": 17, "ai.onnx.ml": 3}
TOLERANCE = 1e-5

data = load_digits()
pixels = data.data.astype(np.float32)
train, held_out = train_test_split(np.arange(len(pixels)), test_size=1 / 3, stratify=data.target, random_state=SEED)
held_out.sort()
rows = pixels[held_out]

model = make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(48,), max_iter=300, random_state=SEED))
model.fit(pixels[train].astype(np.float64), data.target[train].astype(np.int64))
label = model.predict(rows.astype(np.float64))
probabilities = model.predict_proba(rows.astype(np.float64))

onnx_model = to_onnx(
    model,
    initial_types=[("X", FloatTensorType([None, 64]))],
    options={id(model[-1]): {"zipmap": False}},
    target_opset=OPSETS,
    name="digits_mlp",
)
opsets = sorted(onnx_model.opset_import, key=lambda o: o.domain)  # the exporter's order changes from run to run
del onnx_model.opset_import[:]
onnx_model.opset_import.extend(opsets)
content = onnx_model.SerializeToString(deterministic=True)
(FOLDER / "models").mkdir(exist_ok=True)
(FOLDER / "models" / "mlp.onnx").write_bytes(content)

session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
exported_label, exported = session.run(["label", "probabilities"], {"X": rows})
difference = float(np.abs(exported - probabilities).max())
print(f"mlp: {len(content)} bytes, right {(label == data.target[held_out]).mean():.3f} of {len(held_out)}, "
      f"ONNX differs by at most {difference:.1e}, sha256 {hashlib.sha256(content).hexdigest()}")

ids = [f"digit-{i:04d}" for i in held_out]
with open(FOLDER / "cases.jsonl", "w", encoding="utf-8", newline="\n") as lines:
    for case, row in zip(ids, rows):
        lines.write(json.dumps({"id": case, "pixels": [int(p) for p in row]}, separators=(",", ":")) + "\n")

with open(FOLDER / "expected.csv", "w", encoding="utf-8", newline="") as table:
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "digit", *(f"p{c}" for c in model.classes_), "truth"])
    for case, i, digit, row in zip(ids, held_out, label, probabilities):
        writer.writerow([case, digit, *(repr(float(p)) for p in row), data.target[i]])

if difference > TOLERANCE or (exported_label != label).any():
    sys.exit(f"the exported model differs from scikit-learn by {difference:.1e}")
