"""Measures how much memory a process occupies at its peak, while something happens."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

INTERVAL = 0.005
MIB = 1024 * 1024


@dataclass
class Memory:
    """Resident set of a process in MiB, before and at its highest."""

    before: float
    peak: float


@contextlib.contextmanager
def measured(pid: int) -> Iterator[Memory]:
    """Sample the resident set every 5 ms while the block runs; shorter peaks can be missed."""
    process = psutil.Process(pid)
    before = process.memory_info().rss / MIB
    memory = Memory(before, before)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(INTERVAL):
            memory.peak = max(memory.peak, process.memory_info().rss / MIB)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield memory
    finally:
        done.set()
        sampler.join()
