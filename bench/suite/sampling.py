"""CPU time and memory of a process group, every 20 ms with wall-clock times."""

import os
import threading
import time

from .stats import interpolate, spread

PERIOD_S = 0.02
SEARCH_S = 0.25  # how often new processes of the group are looked for
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def group_members(group: int) -> list:
    """Ids of the live processes of a process group."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[2]) == group and fields[0] != b"Z":
            found.append(int(name))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, to the nanosecond: the kernel's CPU clock of that process."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * PAGE_MB


class Sampler:
    """Follows a process group from its start until close(). Times are wall-clock milliseconds, as a broker's are."""

    def __init__(self, group: int):
        self._group = group
        self._members = [group]
        self._last_cpu = {}  # of processes that ended as well: their time was spent
        self._over = threading.Event()
        self.cpu, self.resident = [], []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        next_search = 0.0
        while not self._over.is_set():
            now = time.monotonic()
            if now >= next_search:
                self._members, next_search = group_members(self._group) or self._members, now + SEARCH_S
            self._sample()
            self._over.wait(PERIOD_S)

    def _sample(self):
        resident = 0.0
        at = time.time() * 1000
        for pid in self._members:
            try:
                self._last_cpu[pid] = cpu_seconds(pid)
                resident += resident_mb(pid)
            except OSError:
                continue
        if self._last_cpu:
            self.cpu.append((at, sum(self._last_cpu.values())))
        if resident:
            self.resident.append((at, resident))

    def close(self):
        self._over.set()
        self._thread.join()

    def cpu_between(self, begin_ms: float, end_ms: float) -> float:
        return interpolate(self.cpu, end_ms) - interpolate(self.cpu, begin_ms) if self.cpu else 0.0

    def resident_between(self, begin_ms: float, end_ms: float):
        inside = [mb for at, mb in self.resident if begin_ms <= at <= end_ms]
        return spread(inside or [mb for _, mb in self.resident[-1:]])

    def peak_mb(self):
        return max((mb for _, mb in self.resident), default=None)
