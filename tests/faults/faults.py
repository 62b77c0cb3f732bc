"""Shared by the fault tests, besides the judge: topologies over numbered records, fault points and their log."""
import pathlib
import re

import oracle
from oracle import harness

ROOT = harness.ROOT
SOURCES = ("engine", "nodes", "connectors", "topologies")


def fault_points():
    """name -> whether the point can be made to fail, for every fault point in the sources."""
    points = {}
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.cpp"):
            for kind, name in re.findall(r'\bFault(Point|Status)\(\s*"([^"]+)"', path.read_text(errors="replace")):
                points[name] = points.get(name, False) or kind == "Status"
    return points


def armed(*faults, log=None):
    """The environment that arms `NAME[:SUBJECT]@N=ACTION`, and writes every pass of a fault point to `log`."""
    environment = {"ANABRANCH_FAULT": ",".join(faults)}
    if log is not None:
        environment["ANABRANCH_FAULT_LOG"] = str(log)
    return environment


class FaultLog:
    """Counts, outside the engine, how often each fault point was passed."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def lines(self):
        """(name, subject, count) of every pass; the last line of a killed process may be truncated."""
        if not self.path.exists():
            return []
        parts = [line.split(" ") for line in self.path.read_text(errors="replace").split("\n")[:-1]]
        return [(name, subject, int(count)) for name, subject, count in parts]

    def passings(self, name):
        return sum(line[0] == name for line in self.lines())

    def calls(self):
        """node -> the number of rows it was called with."""
        counts = {}
        for name, subject, count in self.lines():
            if name == "stage.call":
                counts[subject] = counts.get(subject, 0) + count
        return counts


def numbered_topology(name, source, targets, **more):
    """source -> double -> targets: the pipeline that computes `Numbered.result`."""
    nodes = {"double": {"kind": "transform", "inputs": ["numbers"], "set": {"twice": "n * 2"}}}
    for id, to in targets.items():
        nodes[id] = {"kind": "persist", "inputs": ["double"], "to": to, "fields": oracle.Numbered.FIELDS}
    value = {"anabranch": 1, "name": name, "schemas": {"number": oracle.Numbered.SCHEMA},
             "sources": {"numbers": {**source, "format": "json", "schema": "number", "key": {"field": "key"}}},
             "nodes": nodes, "delivery": "exactly_once", **more}
    if any("kafka" in part for part in [source, *targets.values()]):
        value["connections"] = {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}}
    return value
