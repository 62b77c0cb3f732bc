"""A target that is much slower than the source blocks the source: memory stays within its limit, and nothing is dropped."""
import sqlite3
import threading
import time

import faults
import oracle
from oracle import harness

PARTITIONS = 4
SECONDS = min(180, 20 * harness.SCALE)
RECORDS = int(3_000 * SECONDS)
PADDING = 2_000
LIMIT = 32 << 20
SLOWER = 10


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


class Lock:
    """Holds the database's write lock nearly all of the time, from a connection of its own."""

    HELD, FREE = 1.0, 0.02

    def __init__(self, path):
        self._path, self._stop = path, threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def _hold(self):
        database = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        while not self._stop.is_set():
            database.execute("BEGIN IMMEDIATE")
            self._stop.wait(self.HELD)
            database.execute("ROLLBACK")
            time.sleep(self.FREE)
        database.close()

    def release(self):
        self._stop.set()
        self._thread.join(20)


class Memory(harness.KafkaCase):

    def start_pipeline(self, name, source, *args):
        file = self.folder / f"{name}.json"
        if not file.exists():
            harness.write_json(file, faults.numbered_topology(
                name, {"kafka": {"topics": [source], "start": "earliest"}},
                {"table": {"sqlite": {"path": f"{name}.db", "table": "results"}}},
                dead_letters={"kafka": {"topic": "memory.dead"}}, limits={"memory_bytes": LIMIT},
                epoch={"max_rows": 500}))
        return self.start("run", file, "--workers", 2, *args)

    def settled(self, pid):
        """Its resident memory once that does not grow for a second."""
        sizes = [resident(pid)]

        def same():
            sizes.append(resident(pid))
            return len(sizes) > 10 and max(sizes[-10:]) == sizes[-10]

        self.wait_until("memory that does not grow", 30, same, pause=0.1)
        return sizes[-1]

    def rows(self, name):
        path = self.folder / f"{name}.db"
        if not path.exists():
            return 0
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            return database.execute("SELECT count(*) FROM results").fetchone()[0]
        except sqlite3.OperationalError:
            return 0  # no table yet
        finally:
            database.close()

    def test_a_slow_target_neither_fills_memory_nor_loses_a_record(self):
        oracle.seed(self.id())
        numbers = oracle.Numbered(RECORDS, partitions=PARTITIONS, padding=PADDING)
        self.broker.make_topics({"memory.in": PARTITIONS, "memory.none": PARTITIONS, "memory.dead": 1})
        self.broker.produce(numbers.records("memory.in"))

        idle = self.start_pipeline("idle", "memory.none")
        self.wait_until("the idle pipeline has its partitions", 60, lambda: self.watcher.all_hold("anabranch.idle", lanes=2), idle)
        base = self.settled(idle.pid)
        idle.end()

        begin = time.monotonic()
        free = self.start_pipeline("free", "memory.in", "--once")
        free.wait(120)
        unhindered = RECORDS / (time.monotonic() - begin)

        slow = self.start_pipeline("slow", "memory.in", "--once")
        self.wait_until("the table", 30, lambda: self.rows("slow") > 0, slow)
        lock = Lock(self.folder / "slow.db")
        try:
            before, begin, most = self.rows("slow"), time.monotonic(), 0
            while time.monotonic() - begin < SECONDS:
                self.assertTrue(slow.running(), slow)
                most = max(most, resident(slow.pid))
                time.sleep(0.05)
            rate = (self.rows("slow") - before) / (time.monotonic() - begin)
        finally:
            lock.release()
        cap = LIMIT * 1.1 + base
        print(f"{SECONDS:.0f} s, {unhindered:.0f} rows/s unhindered, {rate:.0f} hindered; resident: idle {base >> 10} KiB, "
              f"most {most >> 10} KiB, limit {int(cap) >> 10} KiB", flush=True)
        self.assertLess(self.rows("slow"), RECORDS, "the pipeline ended before the target was slow for long enough")
        self.assertLess(rate * SLOWER, unhindered)
        self.assertLessEqual(most, cap)
        self.assertEqual(slow.wait(120), harness.EXIT_OK, slow)
        verdict = oracle.judge(numbers, oracle.results_of_table(self.folder / "slow.db"))
        self.assertTrue(verdict.ok, verdict)
        self.assertEqual(self.broker.read("memory.dead"), [])


if __name__ == "__main__":
    harness.main()
