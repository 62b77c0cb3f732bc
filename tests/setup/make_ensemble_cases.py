#!/usr/bin/env python3
"""Writes tests/pipelines/ensemble_cases.json.gz: what NumPy, SciPy and scikit-learn make of the members of an ensemble.

    "$(tests/setup/python)" tests/setup/make_ensemble_cases.py

{"rows": [{"a": 0.25, …}], "cases": [{"node": {…}, "expected": [{"v": 0.5}, …]}]}: the ensemble node as a topology has
it, without its inputs, and for each row the values of its outputs. Votes are scikit-learn's own VotingClassifier around
estimators that answer with the columns, so ties are its ties.
"""

import gzip
import json
import pathlib

import numpy as np
from scipy.special import logsumexp
from scipy.stats import gmean
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import LabelEncoder

FILE = pathlib.Path(__file__).resolve().parents[1] / "pipelines" / "ensemble_cases.json.gz"
SEED, ROWS, CLASSES = 11, 1200, 3
WEIGHTS = [2.0, 0.7, 1.3]
NAMES = ["ham", "odd", "spam"]  # sorted, as scikit-learn sorts classes


class Answers(ClassifierMixin, BaseEstimator):
    """A fitted estimator with known results."""

    def __init__(self, labels=None, probabilities=None):
        self.labels, self.probabilities = labels, probabilities

    def predict(self, X):
        return self.labels[X[:, 0]]

    def predict_proba(self, X):
        return self.probabilities[X[:, 0]]


def voting(estimators, voting_kind, weights, classes):
    vote = VotingClassifier([(f"m{i}", e) for i, e in enumerate(estimators)], voting=voting_kind, weights=weights)
    vote.estimators_ = estimators
    vote.le_ = LabelEncoder().fit(classes)
    vote.classes_ = vote.le_.classes_
    return vote


def draw(rng):
    columns = {name: np.round(rng.uniform(0, 4, ROWS), 3) for name in ("a", "b", "c")}
    columns["a"][rng.random(ROWS) < 0.02] = 0  # a geometric mean of 0
    for name in ("la", "lb", "lc"):
        columns[name] = rng.integers(0, CLASSES, ROWS)
    for name in ("va", "vb", "vc"):  # eighths, so that means are equal often
        cuts = np.sort(rng.integers(0, 9, (ROWS, CLASSES - 1)), axis=1)
        columns[name] = np.diff(cuts, prepend=0, append=8, axis=1) / 8
        columns["u" + name[1]] = np.round(columns[name] * 0.9 + 0.1 / CLASSES, 4)  # without zeros
    for name in ("wa", "wb", "wc"):
        columns[name] = np.round(rng.uniform(0.01, 3, ROWS), 2)
    return columns


def numbers(columns):
    x = np.stack([columns[n] for n in ("a", "b", "c")])
    w = np.stack([columns[n] for n in ("wa", "wb", "wc")])
    plain, fixed, by_column = ["a", "b", "c"], dict(zip("abc", WEIGHTS)), {"a": "wa", "b": "wb", "c": "wc"}
    yield "mean", plain, {}, {"value": np.average(x, axis=0), "disagreement": np.std(x, axis=0)}
    yield "weighted_mean", fixed, {}, {"value": np.average(x, axis=0, weights=WEIGHTS)}
    yield "weighted_mean", by_column, {}, {"value": np.average(x, axis=0, weights=w)}
    yield "median", plain, {}, {"value": np.median(x, axis=0)}
    yield "min", plain, {}, {"value": np.min(x, axis=0)}
    yield "max", plain, {}, {"value": np.max(x, axis=0)}
    with np.errstate(divide="ignore"):
        yield "geometric_mean", plain, {}, {"value": gmean(x, axis=0)}
        repeated = np.array(WEIGHTS)[:, None] * np.ones(ROWS)
        yield "geometric_mean", fixed, {}, {"value": gmean(x, axis=0, weights=repeated)}
        yield "geometric_mean", by_column, {}, {"value": gmean(x, axis=0, weights=w)}
    yield "first", plain, {}, {"value": x[0]}
    choose = [{"member": "a", "when": "wa > 2"}, {"member": "b", "when": "wb > 2"}, {"member": "c", "when": "false"}]
    chosen = np.select([w[0] > 2, w[1] > 2], [x[0], x[1]], default=x[0])
    yield "select", choose, {}, {"value": chosen}


def shares(labels, weights):
    """The weight of each class by row, as a share."""
    counts = np.apply_along_axis(lambda row: np.bincount(row, weights=weights, minlength=CLASSES), 1, labels)
    return np.sort(counts / counts.sum(axis=1, keepdims=True), axis=1)[:, ::-1]


def votes(columns):
    index = np.arange(ROWS)[:, None]
    labels = np.stack([columns[n] for n in ("la", "lb", "lc")], axis=1)
    for method, members, weights in (("majority_vote", ["la", "lb", "lc"], [1.0] * 3),
                                     ("weighted_vote", dict(zip(("la", "lb", "lc"), WEIGHTS)), WEIGHTS),
                                     ("weighted_vote", dict(zip(("la", "lb", "lc"), (1, 1, 2))), [1.0, 1.0, 2.0])):
        vote = voting([Answers(labels=labels[:, m]) for m in range(3)], "hard", weights, np.arange(CLASSES))
        share = shares(labels, weights)
        expected = {"value": vote.predict(index), "confidence": share[:, 0], "margin": share[:, 0] - share[:, 1]}
        yield method, members, {"tie": "lowest"}, expected
        texts = [f"s{n}" for n in ("a", "b", "c")]
        named = texts if isinstance(members, list) else dict(zip(texts, weights))
        yield method, named, {"tie": "lowest"}, {"value": np.array(NAMES)[vote.predict(index)]}


def soft_votes(columns):
    index = np.arange(ROWS)[:, None]
    p = np.stack([columns[n] for n in ("va", "vb", "vc")])
    w = np.stack([columns[n] for n in ("wa", "wb", "wc")])
    names = ("va", "vb", "vc")
    for members, weights in ((list(names), None), (dict(zip(names, WEIGHTS)), WEIGHTS)):
        vote = voting([Answers(probabilities=each) for each in p], "soft", weights, NAMES)
        mean = vote.predict_proba(index)
        order = np.sort(mean, axis=1)[:, ::-1]
        expected = {"value": vote.predict(index), "index": np.argmax(mean, axis=1), "probabilities": mean,
                    "confidence": order[:, 0], "margin": order[:, 0] - order[:, 1]}
        yield "soft_vote", members, {"classes": NAMES, "tie": "lowest"}, expected
    yield ("soft_vote", {"va": "wa", "vb": "wb", "vc": "wc"}, {},
           {"value": np.argmax(np.sum(p * w[:, :, None], axis=0), axis=1),
            "probabilities": np.sum(p * w[:, :, None], axis=0) / np.sum(w, axis=0)[:, None]})
    # A log pool has no value where every class has a zero somewhere.
    logs = np.average(np.log([columns[n] for n in ("ua", "ub", "uc")]), axis=0, weights=WEIGHTS)
    pooled = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    yield ("soft_vote", {f"u{n}": weight for n, weight in zip(("a", "b", "c"), WEIGHTS)}, {"pool": "log"},
           {"probabilities": pooled, "index": np.argmax(pooled, axis=1)})


def plain(values, row):
    value = values[row]
    return np.round(value, 9).tolist() if isinstance(value, (np.ndarray, np.floating)) else value.item()


def main():
    columns = draw(np.random.default_rng(SEED))
    cases = []
    for method, members, more, expected in [*numbers(columns), *votes(columns), *soft_votes(columns)]:
        names = {output: f"r{len(cases)}_{output}" for output in expected}
        node = {"kind": "ensemble", "method": method, "members": members, **more,
                "outputs": {name: output for output, name in names.items()}}
        cases.append({"node": node, "expected": [{names[o]: plain(v, row) for o, v in expected.items()}
                                                 for row in range(ROWS)]})
    rows = [{name: plain(values, row) for name, values in columns.items()} for row in range(ROWS)]
    for row in rows:
        row |= {f"s{n}": NAMES[row[f"l{n}"]] for n in ("a", "b", "c")}
    text = json.dumps({"rows": rows, "cases": cases}, separators=(",", ":"))
    with gzip.GzipFile(FILE, "wb", mtime=0) as out:
        out.write(text.encode())
    print(f"{FILE}: {len(cases)} cases of {ROWS} rows, {FILE.stat().st_size} bytes")


main()
