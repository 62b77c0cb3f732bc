"""The real broker which all sides share: the one of the tests, with topics made and deleted per run."""

import pathlib
import sys

from .process import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "pipelines"))
import harness  # noqa: E402  the tests' own broker and admin client, as bench/recovery.py uses them

# Deleted topics give their disk back at once: a run of everything writes more than a disk may hold.
PROPERTIES = ("log.segment.delete.delay.ms=500", "log.retention.check.interval.ms=60000")


class Broker:
    def __init__(self):
        self._broker = harness.Broker(PROPERTIES, measured=True)
        self.address = self._broker.address
        self.pid = int((self._broker.folder / "pid").read_text())

    def make(self, partitions: dict, **config):
        self._broker.make_topics(partitions, {name.replace("_", "."): value for name, value in config.items()})

    def make_out(self, name: str, partitions: int):
        """A topic of results: its times are the broker's own, not those that a system writes."""
        self.make({name: partitions}, message_timestamp_type="LogAppendTime")

    def delete(self, *names: str):
        for name, done in self._broker.admin.delete_topics(list(names), operation_timeout=30).items():
            try:
                done.result(30)
            except Exception as error:
                raise Failed(f"the topic {name} could not be deleted: {error}") from error

    def stop(self):
        self._broker.stop()
