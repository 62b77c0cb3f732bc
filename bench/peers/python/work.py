"""What every Python peer does with a batch of records: read, check, derive, infer, write. No Kafka in here.

A workload is a function from the values of a batch to its results: bytes, or None for a record that is refused (it is
counted; the benchmark's own data has none). orjson, numpy and one ONNX Runtime call per batch.
"""
from __future__ import annotations

import ctypes
import itertools
import operator
import sys
from typing import Callable, Sequence

import numpy as np
import onnxruntime as ort
import orjson

Results = list["bytes | None"]
WORKLOADS = ("relay", "tabular", "ffnn", "ffnn_echo")
FIELDS = ("f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8")
LARGEST = 1e6
PIXELS = 784


def keep_freed_memory() -> None:
    """glibc would hand the top of the heap back after each batch and take it again, page by page, for the next."""
    trim_threshold, top_pad = -1, -2
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    mallopt(trim_threshold, 256 << 20)
    mallopt(top_pad, 16 << 20)


def session(model: str) -> ort.InferenceSession:
    """One thread per call: the processes of a peer are its parallelism."""
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Tabular:
    def __init__(self, model: str):
        self._run = session(model).run
        self._numbers = operator.itemgetter(*FIELDS)
        self.refused = 0

    def _columns(self, rows: list[dict]) -> "tuple[list[str], np.ndarray] | None":
        """Ids and the matrix of f1..f8; None when a record of the batch is not as it must be."""
        try:
            ids = [row["id"] for row in rows]
            flat = list(itertools.chain.from_iterable(map(self._numbers, rows)))
        except (KeyError, TypeError):
            return None
        if set(map(type, ids)) != {str} or not set(map(type, flat)) <= {float, int}:
            return None
        f = np.array(flat, dtype=np.float64).reshape(-1, len(FIELDS))
        if not (f.min() >= 0 and f.max() <= LARGEST):
            return None
        return ids, f

    def _scores(self, f: np.ndarray) -> list[float]:
        features = np.empty(f.shape, dtype=np.float32)
        x1, x2 = f[:, 0] * 2 + f[:, 1], f[:, 2] / (1 + f[:, 3])
        features[:, 0], features[:, 1], features[:, 2] = x1, x2, x1 - x2
        features[:, 3:] = f[:, 3:]
        return self._run(None, {"X": features})[0][:, 0].tolist()

    def __call__(self, values: Sequence[bytes]) -> Results:
        try:
            columns = self._columns([orjson.loads(value) for value in values])
        except orjson.JSONDecodeError:
            columns = None
        if columns is None:
            return one_by_one(self, values)
        ids, f = columns
        return [orjson.dumps({"id": name, "score": score}) for name, score in zip(ids, self._scores(f))]


class Ffnn:
    def __init__(self, model: str, echo: bool):
        self._run = session(model).run
        self._echo = echo
        self.refused = 0

    def __call__(self, values: Sequence[bytes]) -> Results:
        # orjson reads the numbers five times as fast as numpy.fromstring or float() does.
        pixels = np.empty((len(values), PIXELS), dtype=np.float32)
        rows = []
        try:
            for i, value in enumerate(values):
                row = orjson.loads(value)
                rows.append(row)
                numbers = orjson.loads(f'[{row["dataPoint"].removesuffix(",")}]')
                if len(numbers) != PIXELS:
                    return one_by_one(self, values)
                pixels[i] = numbers
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            return one_by_one(self, values)
        predictions = self._run(None, {"X": pixels})[0].tolist()
        if not self._echo:
            return [orjson.dumps({"prediction": prediction}) for prediction in predictions]
        for row, prediction in zip(rows, predictions):
            row["prediction"] = prediction
        return [orjson.dumps(row) for row in rows]


def one_by_one(work: "Tabular | Ffnn", values: Sequence[bytes]) -> Results:
    """A batch in which a record is wrong: the others still get their results."""
    if len(values) == 1:
        work.refused += 1
        return [None]
    return [result for value in values for result in work([value])]


def make(workload: str, model: "str | None") -> Callable[[Sequence[bytes]], Results]:
    if workload == "relay":
        return list
    if model is None:
        sys.exit(f"the workload {workload} needs --model FILE")
    return Tabular(model) if workload == "tabular" else Ffnn(model, workload == "ffnn_echo")
