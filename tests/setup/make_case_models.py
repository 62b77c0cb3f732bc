#!/usr/bin/env python3
"""Writes the two models of tests/cases/valid/topology_page: two features in, label and two probabilities out.

    "$(tests/setup/python)" tests/setup/make_case_models.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "cases" / "valid" / "topology_page" / "models"


def classifier(name, weights):
    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
         helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(weights, dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, producer_name="anabranch-tests", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


classifier("gbt", [[0.5, -0.5], [-1.0, 1.0]])
classifier("nn", [[0.25, -0.25], [-2.0, 2.0]])
