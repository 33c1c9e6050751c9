"""`secretsync plugin`: the destination plugins installed on this machine."""

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import click

from secretsync.adapter import PROJECT_NAME
from secretsync.cli.framework import Group, State
from secretsync.cli.output import print_json, print_table
from secretsync.cli.words import yes_no


@dataclass(frozen=True, slots=True)
class _Plugin:
    name: str
    distribution: str
    version: str
    problem: str


@click.group(cls=Group)
def plugin() -> None:
    """Destination plugins installed on this machine."""


@plugin.command("list", accepts=("json",), example="secretsync plugin list")
@click.pass_obj
def list_(state: State) -> None:
    """List the plugins in this Python environment, and whether each can be loaded.

    What a running server has loaded is shown by `secretsync destination list`.
    """
    plugins = _installed()
    if state.json:
        print_json(
            {
                "plugins": [
                    {
                        "name": item.name,
                        "distribution": item.distribution,
                        "version": item.version,
                        "loads": not item.problem,
                        "problem": item.problem,
                    }
                    for item in plugins
                ]
            }
        )
        return
    print_table(
        ["PLUGIN", "DISTRIBUTION", "VERSION", "LOADS", "PROBLEM"],
        (
            [item.name, item.distribution, item.version, yes_no(not item.problem), item.problem]
            for item in plugins
        ),
        empty="There are no plugins. `pip install secretsync-octopus-deploy` adds one.",
    )


def _installed() -> list[_Plugin]:
    found = entry_points(group=PROJECT_NAME)
    uses = Counter(entry.name for entry in found)
    return [
        _Plugin(
            name=entry.name,
            distribution=entry.dist.name if entry.dist else "",
            version=entry.dist.version if entry.dist else "",
            problem=_problem(entry, uses[entry.name]),
        )
        for entry in sorted(found, key=lambda entry: entry.name)
    ]


def _problem(entry: EntryPoint, uses: int) -> str:
    """Return why a server would not use a plugin; empty if it would."""
    if uses > 1:
        return f"{uses} plugins have this name; the server refuses to start"
    # Imported late: every command would wait for it.
    from secretsync.registry import FailedDestination, Registry  # noqa: PLC0415

    [destination] = Registry.from_entry_points([entry]).list()
    return destination.reason if isinstance(destination, FailedDestination) else ""
