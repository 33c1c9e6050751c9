"""A large variable set: what a run costs beside the bare HTTP calls that it cannot do without."""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
from api import Api
from bare_calls import bare_calls
from checks import ensure
from memory import Memory, measured
from processes import Service, running_service
from rich.console import Console
from rich.table import Table
from show import requests_of

from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

SET_ID = "variableset-Projects-1"
SET_PATH = "/api/Spaces-1/projects/Projects-1/variables"
OURS, OTHERS = "Environments-1", "Environments-2"
CHANGED, UNCHANGED = ["GET", "PUT", "GET"], ["GET"]


@dataclass(frozen=True)
class Measured:
    """One run: how long it took in seconds, and the same requests alone, and what it needed."""

    name: str
    seconds: float
    memory: Memory
    run: syncs.SyncRun
    bare: float = 0.0


def run(console: Console, *, rows: int, ours: int) -> None:
    """Measure the first run, an unchanged one, and changes of one value and of all.

    Args:
        console: where the table is printed.
        rows: variables in the set when our own are in it.
        ours: how many of them the sync writes.
    """
    with tempfile.TemporaryDirectory(prefix="secretsync-bench-") as temporary:
        data_dir = Path(temporary) / "data"
        with start_sandbox() as octopus, running_service(data_dir) as service:
            with grpc.insecure_channel(service.address) as channel:
                found = _Bench(octopus, service, Api(channel), rows, ours).measure()
            size = len(json.dumps(octopus.variables(SET_ID))) / 1e6
    console.print(_table(found, f"{rows:,} variables, {ours:,} of ours; {size:.1f} MB of JSON"))


class _Bench:
    def __init__(self, octopus: Sandbox, service: Service, api: Api, rows: int, ours: int) -> None:
        self._octopus = octopus
        self._service = service
        self._api = api
        self._foreign = rows - ours
        self._values = {f"KEY_{number:05}": f"value {number}" for number in range(ours)}

    def measure(self) -> list[Measured]:
        foreign = [_foreign_row(number) for number in range(self._foreign)]
        self._octopus.put_variables(SET_ID, foreign)
        before = self._octopus.variables(SET_ID)["Variables"]
        self._api.create_project("dev")
        self._api.set_secrets("dev", self._values)
        self._api.create_connection(self._octopus.base_url, self._octopus.api_key)

        # Each run begins when it is measured, not when its source changes.
        self._api.create_sync("dev", "dev", OURS, auto_sync=False)
        runs = [self._run("first run: all created", CHANGED)]
        runs.append(self._run("nothing changed", UNCHANGED))
        self._api.set_secrets("dev", {"KEY_00000": "another"})
        runs.append(self._run("one value changed", CHANGED))
        self._api.set_secrets("dev", {key: f"new {key}" for key in self._values})
        runs.append(self._run("all values changed", CHANGED))

        present = self._octopus.variables(SET_ID)["Variables"]
        ensure(len(present) == len(before) + len(self._values), "all variables are there, once")
        ensure(present[: len(before)] == before, "those of others are as they were")
        bare = bare_calls(self._octopus, SET_PATH)
        return [
            replace(each, bare=sum(bare[call] for call in requests_of(each.run))) for each in runs
        ]

    def _run(self, name: str, methods: list[str]) -> Measured:
        """Let a run begin, follow it to its end, and make sure that it did what it was to do."""
        with measured(self._service.process.pid) as memory:
            run = self._api.follow(self._api.start_sync("dev"), lambda _: None)
        ensure(run.state == syncs.RUN_STATE_SUCCEEDED, f"{name} succeeds: {run.message}")
        ensure(requests_of(run) == methods, f"{name} takes {methods}, not {requests_of(run)}")
        seconds = (run.finish_time.ToDatetime() - run.start_time.ToDatetime()).total_seconds()
        return Measured(name, seconds, memory, run)


def _foreign_row(number: int) -> dict[str, Any]:
    """Return somebody else's variable: every second one sensitive, half of them in our scope."""
    is_sensitive = number % 2 == 0
    return {
        "Name": f"Others.{number:05}",
        "Value": f"value of somebody else {number}",
        "Type": "Sensitive" if is_sensitive else "String",
        "IsSensitive": is_sensitive,
        "Scope": {"Environment": [OURS if number % 4 < 2 else OTHERS]},
    }


def _table(runs: list[Measured], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("run")
    for heading in ("requests", "seconds", "bare calls", "ratio", "memory before", "peak"):
        table.add_column(heading, justify="right")
    for each in runs:
        table.add_row(
            each.name,
            ", ".join(requests_of(each.run)),
            f"{each.seconds:.2f}",
            f"{each.bare:.2f}",
            f"{each.seconds / each.bare:.1f}",
            f"{each.memory.before:.0f} MiB",
            f"{each.memory.peak:.0f} MiB",
        )
    return table
