"""Packages with a large model that is scored fast: complete decision trees of depth 10, whose answer is the version.

The file is written as ONNX defines it (onnx.proto), field by field.
"""
import array
import random

import harness

DEPTH = 10
INNER, ALL = 2**DEPTH - 1, 2**(DEPTH + 1) - 1
FLOAT, FLOATS, INTS, STRINGS, INT, STRING = 1, 6, 7, 8, 2, 3  # AttributeProto.type
INT64 = 7  # TensorProto.DataType


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field, number):
    return _varint(field << 3) + _varint(number)


def _bytes(field, *parts):
    return _varint(field << 3 | 2) + _varint(sum(map(len, parts))) + b"".join(parts)


def _attribute(name, kind, value):
    return _bytes(5, _bytes(1, name), value, _number(20, kind))


def _ints(name, numbers):
    return _attribute(name, INTS, _bytes(8, numbers))


def _floats(name, numbers):
    return _attribute(name, FLOATS, _bytes(7, array.array("f", numbers).tobytes()))


def _value(field, name, *dims):
    shape = b"".join(_bytes(1, dim) for dim in dims)
    return _bytes(field, _bytes(1, name), _bytes(2, _bytes(1, _number(1, FLOAT), _bytes(2, shape))))


def model(answer, trees):
    """The bytes of the model: about 51 kB for each tree. Its input X is one number, its output Y[0] is `answer`."""
    made = random.Random(answer)
    every = lambda numbers: b"".join(map(_varint, numbers)) * trees
    by_tree = lambda count: b"".join(_varint(tree) * count for tree in range(trees))
    thresholds = [made.uniform(0, 100_000) for _ in range(INNER)] + [0.0] * (ALL - INNER)
    modes = (_bytes(9, b"BRANCH_LEQ") * INNER + _bytes(9, b"LEAF") * (ALL - INNER)) * trees
    leaves = ALL - INNER
    node = [
        _bytes(1, b"X"), _bytes(2, b"Y"), _bytes(4, b"TreeEnsembleRegressor"), _bytes(7, b"ai.onnx.ml"),
        _ints(b"nodes_treeids", by_tree(ALL)), _ints(b"nodes_nodeids", every(range(ALL))),
        _ints(b"nodes_featureids", bytes(ALL * trees)), _floats(b"nodes_values", thresholds * trees),
        _attribute(b"nodes_modes", STRINGS, modes),
        _ints(b"nodes_truenodeids", every([*(2 * i + 1 for i in range(INNER)), *[0] * leaves])),
        _ints(b"nodes_falsenodeids", every([*(2 * i + 2 for i in range(INNER)), *[0] * leaves])),
        _ints(b"target_treeids", by_tree(leaves)), _ints(b"target_nodeids", every(range(INNER, ALL))),
        _ints(b"target_ids", bytes(leaves * trees)), _floats(b"target_weights", [0.0] * leaves * trees),
        _floats(b"base_values", [answer]), _attribute(b"n_targets", INT, _number(3, 1)),
        _attribute(b"post_transform", STRING, _bytes(4, b"NONE"))]
    graph = [_bytes(1, *node), _bytes(2, b"trees"), _value(11, b"X", _bytes(2, b"N"), _number(1, 1)),
             _value(12, b"Y", _bytes(2, b"N"), _number(1, 1))]
    opsets = _bytes(8, _bytes(1, b""), _number(2, 17)), _bytes(8, _bytes(1, b"ai.onnx.ml"), _number(2, 3))
    return b"".join((_number(1, 8), _bytes(7, *graph), *opsets))


def table(answer, megabytes):
    """The bytes of a model that is loaded fast: a table of this size, all of `answer`. Its input X is one whole number."""
    cells = megabytes * 250_000
    value = lambda field, name, element: _bytes(field, _bytes(1, name), _bytes(2, _bytes(1, _number(1, element), _bytes(
        2, _bytes(1, _bytes(2, b"N")), _bytes(1, _number(1, 1))))))
    weights = _bytes(5, _number(1, cells), _number(2, FLOAT), _bytes(8, b"W"),
                     _bytes(9, array.array("f", [answer]).tobytes() * cells))
    node = _bytes(1, _bytes(1, b"W"), _bytes(1, b"X"), _bytes(2, b"Y"), _bytes(4, b"Gather"))
    graph = [node, _bytes(2, b"table"), weights, value(11, b"X", INT64), value(12, b"Y", FLOAT)]
    return b"".join((_number(1, 8), _bytes(7, *graph), _bytes(8, _bytes(1, b""), _number(2, 17))))


def make(registry, version, content):
    """A package of model "trees" that is not packed yet. It reads the column n."""
    folder = registry / f"trees-{version}"
    (folder / "tests").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    row = {"inputs": {"n": 7}, "expect": {"Y[0]": int(version)}}
    harness.write_json(folder / "features.json", {"set": {"x": "n"}, "order": ["x"]})
    (folder / "tests" / "always.jsonl").write_text(f"{harness.json.dumps(row)}\n")
    harness.write_json(folder / "model.json", {
        "anabranch_package": 1, "name": "trees", "version": version, "inputs": {"n": "int64"}, "features": ["x"],
        "gate": {"always": {"tolerance": 1e-6}}})
    return folder
