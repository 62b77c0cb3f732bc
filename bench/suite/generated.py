"""Topologies and records of a given size, from a file to a file, for the curves of cost."""

import dataclasses
from typing import Callable

from .systems import ROOT

MODEL = str(ROOT / "tests" / "models" / "mlp_8_64_64_1.onnx")
FEATURES = [f"f{i}" for i in range(1, 9)]


def topology(name: str, fields: list, nodes: dict, outputs: list, models: int = 0) -> dict:
    """`nodes` in order; the last one is read by the target."""
    number = {"type": "number"}
    return {
        "anabranch": 1,
        "name": f"bench-{name}",
        "schemas": {"row": {"type": "object", "required": fields, "properties": {f: number for f in fields}}},
        "models": {f"m{i}": {"path": MODEL} for i in range(models)},
        "sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "row", "key": "position"}},
        "nodes": {
            **nodes,
            "out": {
                "kind": "persist",
                "inputs": [list(nodes)[-1]],
                "to": {"file": {"path": "out.jsonl"}},
                "fields": outputs,
            },
        },
    }


def record(fields: list, pad: int = 0) -> Callable:
    filler = f',"pad":"{"x" * pad}"' if pad else ""
    return lambda i: (
        "{" + ",".join(f'"{f}":{(i * 7 + k * 13) % 1000 / 1000}' for k, f in enumerate(fields)) + filler + "}\n"
    )


def chain(nodes: int) -> tuple:
    made, above = {}, "in"
    for i in range(nodes):
        made[f"n{i}"] = {
            "kind": "transform",
            "inputs": [above],
            "set": {f"x{i}": f"{'f1' if i == 0 else f'x{i - 1}'} * 1.5 + f2"},
        }
        above = f"n{i}"
    return topology("nodes", ["f1", "f2"], made, [f"x{nodes - 1}"]), record(["f1", "f2"])


def wide(fields: int) -> tuple:
    names = [f"f{i}" for i in range(1, fields + 1)]
    sum_of_all = {"kind": "transform", "inputs": ["in"], "set": {"x": " + ".join(names)}}
    return topology("fields", names, {"sum": sum_of_all}, ["x"]), record(names)


def _infer(i: int) -> dict:
    return {"kind": "infer", "inputs": ["in"], "model": f"m{i}", "features": FEATURES, "outputs": {f"p{i}": "Y[0]"}}


def models(count: int) -> tuple:
    nodes = {f"i{i}": {**_infer(i), "inputs": ["in" if i == 0 else f"i{i - 1}"]} for i in range(count)}
    return topology("models", FEATURES, nodes, [f"p{i}" for i in range(count)], count), record(FEATURES)


def members(count: int) -> tuple:
    nodes = {f"i{i}": _infer(i) for i in range(count)}
    nodes["vote"] = {
        "kind": "ensemble",
        "inputs": list(nodes),
        "method": "mean",
        "members": [f"p{i}" for i in range(count)],
        "outputs": {"score": "value"},
    }
    return topology("members", FEATURES, nodes, ["score"], count), record(FEATURES)


def size(length: int) -> tuple:
    bare = len(record(["f1", "f2"], 1)(1)) - 1
    add = {"kind": "transform", "inputs": ["in"], "set": {"x": "f1 + f2"}}
    return topology("size", ["f1", "f2"], {"add": add}, ["x"]), record(["f1", "f2"], max(1, length - bare))


@dataclasses.dataclass(frozen=True)
class Curve:
    title: str
    x: str
    values: tuple
    make: Callable  # x → (topology, row number → line)
    records: int
    note: str


CURVES = (
    Curve(
        "CPU against nodes",
        "arithmetic nodes",
        (1, 5, 10, 20, 40),
        chain,
        300_000,
        "A chain of transforms, each one multiplication and one addition.",
    ),
    Curve(
        "CPU against fields",
        "fields",
        (4, 8, 16, 32, 64),
        wide,
        200_000,
        "Every field is a number that is decoded, checked and added.",
    ),
    Curve(
        "CPU against models",
        "models",
        (1, 2, 3, 4),
        models,
        200_000,
        "A chain of inferences with the same 8-64-64-1 network in sessions of their own.",
    ),
    Curve(
        "CPU against members of an ensemble",
        "members",
        (2, 3, 4, 6, 8),
        members,
        150_000,
        "Branches with an 8-64-64-1 network each, joined by their mean.",
    ),
    Curve(
        "CPU against record size",
        "bytes",
        (100, 200, 500, 1000, 2000, 4000, 8000),
        size,
        100_000,
        "Two numbers are used, the rest of the record is a text that nothing reads.",
    ),
)
