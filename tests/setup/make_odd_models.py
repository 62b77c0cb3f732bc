#!/usr/bin/env python3
"""Writes tests/models/odd: models as users bring them, and models that must be refused with a remedy, as the libraries write them.

    "$(tests/setup/python)" tests/setup/make_odd_models.py
"""
import pathlib
import pickle
import shutil
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DictionaryType, FloatTensorType, StringTensorType
from sklearn.datasets import load_iris
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "models" / "odd"
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model(name, nodes, inputs, outputs, constants=(), **fields):
    graph = helper.make_graph(nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants], **fields)
    return helper.make_model(graph, producer_name="anabranch-tests", ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def save(name, made):
    (FOLDER / f"{name}.onnx").write_bytes(made.SerializeToString(deterministic=True))


def idle_loop(bound):
    """A loop that runs while its flag `bound` is true, which it never changes."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["v"], ["w"])], "body",
        [value("turn", INT64, []), value("go", BOOL, []), value("v", FLOAT, ["N", 1])],
        [value("still", BOOL, []), value("w", FLOAT, ["N", 1])])
    return helper.make_node("Loop", ["", bound, "X"], ["Y"], body=body)


def endless():
    """A loop without an end, in the first call."""
    return model("endless", [idle_loop("always")],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])], [("always", np.array(True))])


def loops_for_99():
    """A loop without an end for records above 99."""
    return model("loops_for_99",
                 [helper.make_node("ReduceMax", ["X"], ["most"], keepdims=0), helper.make_node("Greater", ["most", "bound"], ["on"]),
                  idle_loop("on")],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])], [("bound", np.array(99.5, np.float32))])


def stubborn(name, bound):
    """One operator that takes minutes, and that cannot be interrupted, for records above `bound`: half a million boxes are
    compared with each other."""
    count = 500_000
    then = helper.make_graph(
        [helper.make_node("Range", ["zero", "count", "one"], ["scores"]),
         helper.make_node("Mul", ["scores", "two"], ["low"]), helper.make_node("Add", ["low", "one"], ["high"]),
         helper.make_node("Unsqueeze", ["low", "minus"], ["low1"]), helper.make_node("Unsqueeze", ["high", "minus"], ["high1"]),
         helper.make_node("Concat", ["low1", "low1", "high1", "high1"], ["boxes"], axis=1),
         helper.make_node("Unsqueeze", ["boxes", "first"], ["boxes3"]), helper.make_node("Unsqueeze", ["scores", "firsts"], ["scores3"]),
         helper.make_node("Add", ["scores3", "most0"], ["scores4"]),  # of the input, so that it is not computed when loading
         helper.make_node("NonMaxSuppression", ["boxes3", "scores4", "all"], ["picked"]),
         helper.make_node("ReduceSum", ["picked", "both"], ["sum"], keepdims=0), helper.make_node("Cast", ["sum"], ["number"], to=FLOAT),
         helper.make_node("Add", ["X", "number"], ["slow"])], "then", [], [value("slow", FLOAT, ["N", 1])])
    other = helper.make_graph([helper.make_node("Identity", ["X"], ["quick"])], "else", [], [value("quick", FLOAT, ["N", 1])])
    return model(name,
                 [helper.make_node("ReduceMax", ["X"], ["most"], keepdims=0), helper.make_node("Mul", ["most", "zero"], ["most0"]),
                  helper.make_node("Greater", ["most", "bound"], ["on"]),
                  helper.make_node("If", ["on"], ["Y"], then_branch=then, else_branch=other)],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])],
                 [("bound", np.array(bound, np.float32)), ("zero", np.array(0, np.float32)), ("one", np.array(1, np.float32)),
                  ("two", np.array(2, np.float32)), ("count", np.array(count, np.float32)), ("minus", np.array([1], np.int64)),
                  ("first", np.array([0], np.int64)), ("firsts", np.array([0, 1], np.int64)), ("both", np.array([0, 1], np.int64)),
                  ("all", np.array([count], np.int64))])


def noisy():
    return model("noisy", [helper.make_node("RandomNormalLike", ["X"], ["noise"], name="noise", dtype=FLOAT),
                           helper.make_node("Add", ["X", "noise"], ["Y"])],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])])


def minus_mean_for_99():
    """Records above 99 lose the mean of the batch: what they get depends on the records beside them."""
    return model("minus_mean_for_99",
                 [helper.make_node("ReduceMean", ["X"], ["mean"], axes=[0]), helper.make_node("Sub", ["X", "mean"], ["less"]),
                  helper.make_node("Greater", ["X", "bound"], ["above"]), helper.make_node("Where", ["above", "less", "X"], ["Y"])],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])], [("bound", np.array(99.5, np.float32))])


def crash():
    """The least integer divided by -1: the processor raises a signal, which no runtime catches."""
    return model("crash",
                 [helper.make_node("Cast", ["X"], ["i"], to=INT64), helper.make_node("Sub", ["i", "i"], ["zero"]),
                  helper.make_node("Add", ["zero", "least"], ["a"]), helper.make_node("Add", ["zero", "minus"], ["b"]),
                  helper.make_node("Div", ["a", "b"], ["q"]), helper.make_node("Cast", ["q"], ["Y"], to=FLOAT)],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])],
                 [("least", np.array([-2**63], np.int64)), ("minus", np.array([-1], np.int64))])


def crash_for_311():
    """Y = the first number of a row. The processor raises the same signal where the second one is 311."""
    return model("crash_for_311",
                 [helper.make_node("Split", ["X", "each"], ["first", "second"], axis=1),
                  helper.make_node("Sub", ["second", "deadly"], ["apart"]), helper.make_node("Abs", ["apart"], ["far"]),
                  helper.make_node("ReduceMin", ["far"], ["nearest"], keepdims=0), helper.make_node("Less", ["nearest", "half"], ["on"]),
                  helper.make_node("Where", ["on", "minus", "one"], ["by"]), helper.make_node("Div", ["least", "by"], ["q"]),
                  helper.make_node("Cast", ["q"], ["number"], to=FLOAT), helper.make_node("Mul", ["number", "zero"], ["nothing"]),
                  helper.make_node("Add", ["first", "nothing"], ["Y"])],
                 [value("X", FLOAT, ["N", 2])], [value("Y", FLOAT, ["N", 1])],
                 [("each", np.array([1, 1], np.int64)), ("deadly", np.array(311, np.float32)), ("half", np.array(0.5, np.float32)), ("zero", np.array(0, np.float32)),
                  ("one", np.array(1, np.int64)), ("minus", np.array(-1, np.int64)), ("least", np.array(-2**63, np.int64))])


def times(name, factor):
    """Y = factor X."""
    return model(name, [helper.make_node("MatMul", ["X", "w"], ["Y"])],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])], [("w", np.array([[factor]], np.float32))])


def twice():
    """Y = 2 X, its weight in a file beside it as PyTorch writes it."""
    onnx.save(times("twice", 2), FOLDER / "twice.onnx", save_as_external_data=True, location="twice.onnx.data", size_threshold=0)
    (FOLDER / "twice.onnx.data").chmod(0o644)


def sparse_weight():
    """The weight of a sparse initialiser in another file."""
    values = numpy_helper.from_array(np.array([2], np.float32), "w")
    values.ClearField("raw_data")
    values.data_location = TensorProto.EXTERNAL
    values.external_data.add(key="location", value="weights.bin")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0], np.int64), "w_at"), [1, 1])
    return model("sparse_weight", [helper.make_node("MatMul", ["X", "w"], ["Y"])],
                 [value("X", FLOAT, ["N", 1])], [value("Y", FLOAT, ["N", 1])], sparse_initializer=[sparse])


def main():
    warnings.filterwarnings("ignore")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    save("endless", endless())
    save("loops_for_99", loops_for_99())
    save("stubborn", stubborn("stubborn", -1e9))
    save("stubborn_for_99", stubborn("stubborn_for_99", 99.5))
    save("crash", crash())
    save("crash_for_311", crash_for_311())
    save("noisy", noisy())
    save("sparse_weight", sparse_weight())
    save("minus_mean_for_99", minus_mean_for_99())
    save("thrice", times("thrice", 3))
    twice()
    iris = load_iris()
    classifier = LogisticRegression(max_iter=500).fit(iris.data, iris.target)
    save("float64_zipmap", to_onnx(classifier, iris.data[:1], target_opset={"": 17, "ai.onnx.ml": 3}))
    newer = to_onnx(classifier, iris.data[:1].astype(np.float32), options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    newer.ir_version = 99
    save("newer", newer)
    words = make_pipeline(DictVectorizer(sparse=False), LogisticRegression()).fit([{"a": 1.0}, {"a": 3.0}], [0, 1])
    save("dict_vectorizer", to_onnx(words, initial_types=[("X", DictionaryType(StringTensorType([1]), FloatTensorType([1])))],
                                    options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3}))
    with open(FOLDER / "classifier.pkl", "wb") as file:
        pickle.dump(classifier, file, protocol=4)


if __name__ == "__main__":
    main()
