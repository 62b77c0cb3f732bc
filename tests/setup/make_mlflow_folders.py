#!/usr/bin/env python3
"""Writes tests/packages/mlflow: folders as mlflow.onnx saves them, and what MLflow's own pyfunc answers for some rows.

    python3 -m venv /tmp/mlflow
    /tmp/mlflow/bin/pip install mlflow-skinny==3.17.2 onnx==1.16.2 onnxruntime==1.32.0 pandas==3.1.1 numpy==2.4.6
    /tmp/mlflow/bin/python tests/setup/make_mlflow_folders.py

Not part of tests/setup/python: mlflow-skinny has 40 dependencies, and the tests need only what is written here.
"""
import json
import pathlib
import shutil

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema

TESTS = pathlib.Path(__file__).resolve().parents[1]
FOLDER = TESTS / "packages" / "mlflow"
# What pip says is needed is of no use to an import, and names the versions of the machine that wrote it.
UNUSED = ("conda.yaml", "python_env.yaml", "requirements.txt")


def save(name, model, signature, frame):
    folder = FOLDER / name
    mlflow.onnx.save_model(model, str(folder), signature=signature, pip_requirements=["onnx", "onnxruntime"])
    answers = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    for file in UNUSED:
        (folder / file).unlink(missing_ok=True)
    return answers


def columns(model, rows):
    """A signature of columns, as infer_signature makes one from a DataFrame. Not a classifier: pyfunc cannot make a
    DataFrame of its probabilities."""
    names = [f"measure {i}" for i in range(len(rows[0]))]
    frame = pd.DataFrame(rows, columns=names)
    answers = save("columns", model, ModelSignature(inputs=Schema([ColSpec("double", name) for name in names])), frame)
    output = model.graph.output[0].name
    return [{"inputs": dict(zip(names, row)), "expect": {output: float(value)}} for row, value in zip(rows, answers[output])]


def tensor(model, rows):
    """A signature of one tensor, and weights in a file of their own: more than a kilobyte of them goes there by default."""
    array = np.asarray(rows, np.float32)
    name = model.graph.input[0].name
    answers = save("tensor", model, infer_signature(array, None), array)
    output = model.graph.output[0].name
    values = np.asarray(answers[output])
    return [{"inputs": {name: [float(x) for x in row]}, "expect": {output: [float(v) for v in np.ravel(value)] if np.size(value) > 1 else float(np.ravel(value)[0])}}
            for row, value in zip(array, values)]


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    expected = json.loads((TESTS / "models" / "expected.json").read_text())
    trees, mlp = expected["boosting_regressor"], expected["mlp_8_64_64_1"]
    made = {
        "columns": columns(onnx.load(TESTS / "models" / trees["file"]), [next(iter(row.values())) for row in trees["rows"]]),
        "tensor": tensor(onnx.load(TESTS / "models" / mlp["file"]), [next(iter(row.values())) for row in mlp["rows"]]),
    }
    for name, rows in made.items():
        (FOLDER / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


main()
