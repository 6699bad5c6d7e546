"""The machine: its name, and how fast it reads memory."""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np


def describe() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB"


def bandwidth(mebibytes: int = 1024, rounds: int = 5) -> float:
    """Bytes a second that all cores move together: the best of sums and of copies of large arrays.

    A copy counts what it reads and what it writes.
    """
    threads = os.cpu_count() or 1
    count = mebibytes * 2**20 // 8 // threads
    sources = [np.ones(count) for _ in range(threads)]
    targets = [np.zeros(count) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            begin = time.perf_counter()
            list(pool.map(np.sum, sources))
            best = max(best, 8 * count * threads / (time.perf_counter() - begin))
            begin = time.perf_counter()
            list(pool.map(np.copyto, targets, sources))
            best = max(best, 16 * count * threads / (time.perf_counter() - begin))
    return best


class Others:
    """How much of the cores other processes took since this was made."""

    def __init__(self) -> None:
        self.begin = self.now()

    @staticmethod
    def now() -> tuple[float, float, float] | None:
        """Seconds on the clock, of all cores at work, of this process and its children."""
        try:
            line = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        except OSError:
            return None
        # user, nice, system, idle, iowait, irq, softirq, steal
        ticks = [int(value) for value in line[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, sum(os.times()[:4])

    def share(self) -> float | None:
        """0 to 1, None where the system does not tell."""
        end = self.now()
        if self.begin is None or end is None:
            return None
        wall, busy, own = (later - earlier for later, earlier in zip(end, self.begin, strict=True))
        return max(0.0, (busy - own) / (wall * (os.cpu_count() or 1)))
