"""Auto-sync: the time from a change at the source to the end of its write at the destination."""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from api import Api
from bare_calls import bare_calls
from checks import ensure
from octopus_size import SET_PATH
from processes import running_service
from rich.console import Console
from rich.table import Table

from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

APART = 1.05
"""Seconds between two changes that are not to be taken for a burst."""
BURST_SECONDS = 1.0
INTERVAL = 1.0
"""The service's `change_interval`."""


def run(console: Console, *, changes: int, burst: int) -> None:
    """Measure changes one at a time, and a burst of them.

    Args:
        console: where the table is printed.
        changes: how many are made one at a time.
        burst: how many are made within a second.
    """
    with (
        tempfile.TemporaryDirectory(prefix="secretsync-bench-") as temporary,
        start_sandbox() as octopus,
        running_service(Path(temporary) / "data") as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        bench = _Bench(octopus, Api(channel))
        single = bench.one_at_a_time(changes)
        many, runs, seconds = bench.burst(burst)
        calls = bare_calls(octopus, SET_PATH, samples=20)
    bare = calls["GET"] + calls["PUT"]
    table = _table()
    _add(table, f"{changes} changes, one at a time", single, bare)
    _add(table, f"{burst} changes in {seconds:.2f} s: {runs} runs", many, bare)
    console.print(table)
    console.print(f"bare GET, PUT: {bare * 1000:.1f} ms")


class _Bench:
    """A service with one sync of one environment, whose first run has ended."""

    def __init__(self, octopus: Sandbox, api: Api) -> None:
        self._octopus = octopus
        self._api = api
        api.create_project("dev")
        api.set_secrets("dev", {"KEY": "first"})
        api.create_connection(octopus.base_url, octopus.api_key)
        api.create_sync("dev", "dev", "Environments-1")
        self._at_rest()

    def one_at_a_time(self, changes: int) -> list[float]:
        """Return the seconds from the end of each change to the end of its write."""
        found = []
        for number in range(changes):
            time.sleep(APART)
            self._octopus.clear_requests()
            self._api.set_secrets("dev", {"KEY": f"value {number}"})
            returned = time.time()
            self._at_rest()
            [written] = self._writes()
            # It may even be there before the call has returned.
            found.append(max(0.0, written - returned))
        return found

    def burst(self, changes: int) -> tuple[list[float], int, float]:
        """Change within a second; return the seconds, the number of runs, and how long it took."""
        time.sleep(APART)
        self._octopus.clear_requests()
        before = len(self._api.runs("dev"))
        began, returned = time.time(), []
        for number in range(changes):
            time.sleep(max(0.0, began + number * BURST_SECONDS / changes - time.time()))
            self._api.set_secrets("dev", {"KEY": f"burst {number}"})
            returned.append(time.time())
        names = self._at_rest()[before:]
        runs = [self._api.follow(name, lambda _: None) for name in names]
        seconds = returned[-1] - began
        # A slow machine takes longer than a second for so many changes.
        allowed = 1 + math.ceil(seconds / INTERVAL)
        ensure(len(runs) <= allowed, f"at most {allowed} runs follow, not {len(runs)}")
        # A run writes what was there when it read the source, a moment after it began. What came in
        # that moment leads to another run, which then finds nothing to write.
        wrote = [run for run in runs if any(each.method == "PUT" for each in run.http_requests)]
        ends = list(zip([_began(each) for each in wrote], self._writes(), strict=True))
        waits = [
            max(
                0.0,
                min((end for start, end in ends if start >= moment), default=ends[-1][1]) - moment,
            )
            for moment in returned
        ]
        return waits, len(runs), seconds

    def _at_rest(self) -> list[str]:
        """Wait until the newest run has ended, and return the names of all, oldest first."""
        while True:
            runs = self._api.runs("dev")
            last = self._api.follow(runs[-1], lambda _: None)
            ensure(last.state == syncs.RUN_STATE_SUCCEEDED, f"the run succeeds: {last.message}")
            if self._api.runs("dev") == runs:
                return runs

    def _writes(self) -> list[float]:
        """Return when each write had ended."""
        return [
            request.answered
            for request in self._octopus.requests()
            if request.method == "PUT" and request.answered is not None
        ]


def _began(run: syncs.SyncRun) -> float:
    return run.start_time.ToNanoseconds() / 1e9


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _table() -> Table:
    table = Table(
        title="From the end of SetSecrets to the end of the PUT at Octopus", title_justify="left"
    )
    table.add_column("changes")
    for heading in ("p50", "p90", "p99", "max", "p50 / bare"):
        table.add_column(heading, justify="right")
    return table


def _add(table: Table, name: str, seconds: Sequence[float], bare: float) -> None:
    marks = [percentile(seconds, percent) for percent in (50, 90, 99, 100)]
    table.add_row(name, *(f"{mark * 1000:.0f} ms" for mark in marks), f"{marks[0] / bare:.1f}")
