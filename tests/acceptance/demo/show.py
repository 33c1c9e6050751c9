"""How the demo shows what happens: headings, progress, tables."""

import time
from collections import Counter
from collections.abc import Iterable

from checks import ensure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from secretsync.v1 import secret_sync_service_pb2 as syncs

console = Console(highlight=False, soft_wrap=False)
ACTIONS = {
    syncs.KEY_ACTION_CREATED: ("created", "green"),
    syncs.KEY_ACTION_UPDATED: ("updated", "yellow"),
    syncs.KEY_ACTION_UNCHANGED: ("unchanged", "bright_black"),
    syncs.KEY_ACTION_DELETED: ("deleted", "red"),
    syncs.KEY_ACTION_SKIPPED: ("skipped", "magenta"),
}
COLUMNS = 2
RowCounts = Counter[tuple[str, str]]


class Steps:
    """The numbered steps, and how long each took."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self._begun = time.monotonic()
        self._title = ""

    def begin(self, title: str) -> None:
        """End the step before and begin the next."""
        self.end()
        self._title, self._begun = title, time.monotonic()
        console.print()
        console.rule(f"{len(self.times) + 1}. {title}", align="left")

    def end(self) -> None:
        """End the step, if one has begun."""
        if self._title:
            self.times.append((self._title, time.monotonic() - self._begun))
            self._title = ""


def progress() -> Progress:
    """Return a progress bar for a run."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f}/{task.total:.0f} keys"),
        TimeElapsedColumn(),
        console=console,
    )


def actions_of(run: syncs.SyncRun) -> dict[str, str]:
    """Return what a run did, key to action."""
    return {result.key: ACTIONS[result.action][0] for result in run.key_results}


def requests_of(run: syncs.SyncRun) -> list[str]:
    """Return the methods of a run's HTTP requests, in order."""
    return [request.method for request in run.http_requests]


def show_run(title: str, run: syncs.SyncRun) -> None:
    """Show what a run did, key by key."""
    ensure(run.state == syncs.RUN_STATE_SUCCEEDED, f"{title} succeeds: {run.message}")
    table = Table(title=f"{title}: {run.message}", title_justify="left", padding=(0, 1))
    for _ in range(COLUMNS):
        table.add_column("variable", overflow="fold")
        table.add_column("result")
    cells: list[Text | str] = []
    for result in run.key_results:
        word, colour = ACTIONS[result.action]
        cells += [result.destination_name, Text(word, style=colour)]
    width = 2 * COLUMNS
    for start in range(0, len(cells), width):
        table.add_row(*cells[start : start + width])
    console.print(table)
    for warning in run.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)


def show_holdings(counts: RowCounts) -> None:
    """Show what the Octopus project holds: how many variables of which type in which scope."""
    table = Table(title="The Octopus project now holds", title_justify="left")
    for heading in ("scope", "type", "variables"):
        table.add_column(heading)
    for (scope, kind), count in sorted(counts.items()):
        table.add_row(scope, kind, str(count))
    console.print(table)


def show_numbers(
    steps: Iterable[tuple[str, float]],
    runs: Iterable[tuple[str, syncs.SyncRun]],
    memory_mib: float,
) -> None:
    """Show the time of each step, the HTTP requests of each run, and the service's memory."""
    times = Table(title="Time of each step", title_justify="left")
    times.add_column("step")
    times.add_column("seconds", justify="right")
    for title, seconds in steps:
        times.add_row(title, f"{seconds:.2f}")
    console.print(times)
    requests = Table(title="HTTP requests of each run", title_justify="left")
    for heading in ("run", "requests", "sent", "received"):
        requests.add_column(heading)
    for title, run in runs:
        requests.add_row(
            title,
            ", ".join(requests_of(run)),
            f"{sum(each.request_bytes for each in run.http_requests):,} B",
            f"{sum(each.response_bytes for each in run.http_requests):,} B",
        )
    console.print(requests)
    console.print(f"Memory of the service: {memory_mib:.0f} MiB")
