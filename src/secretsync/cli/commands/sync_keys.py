"""`secretsync sync keys`: how each key of a sync stands at its destination."""

from collections.abc import Iterable, Sequence

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Command, page_options
from secretsync.cli.names import child_name
from secretsync.cli.output import print_messages, print_table
from secretsync.cli.words import enum_text, time_text
from secretsync.v1.secret_sync_service_pb2 import KeyState, ListSyncKeysRequest, SyncKey

_PREFIX = "KEY_STATE_"
_STATES = [
    enum_text(KeyState.DESCRIPTOR, number, _PREFIX)
    for number in KeyState.DESCRIPTOR.values_by_number
    if number
]


@click.command(
    cls=Command,
    example="secretsync --project shop sync keys dev\n"
    "secretsync --project shop sync keys dev --state drifted --state failed",
)
@click.argument("name", metavar="SYNC")
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only keys in this state. Can be given several times.",
)
@page_options
@pass_client
def keys(
    client: Client, name: str, states: tuple[str, ...], page_size: int, limit: int | None
) -> None:
    """List how each key stands at the destination, as far as runs have found out."""
    found = list_keys(
        client,
        child_name(client.state, "secretSyncs", name),
        [KeyState.Value(f"{_PREFIX}{state.upper()}") for state in states],
        page_size=page_size,
        limit=limit,
    )
    if client.state.json:
        print_messages("syncKeys", found)
        return
    none = "As far as runs have found out, nothing of this sync is at its destination."
    show_keys(found, empty="There are no such keys." if states else none)


def list_keys(
    client: Client,
    sync: str,
    states: Sequence[KeyState.ValueType],
    *,
    page_size: int = 0,
    limit: int | None = None,
) -> Iterable[SyncKey]:
    """Return the keys of a sync, by name at the destination.

    Args:
        client: makes the calls.
        sync: the sync's resource name.
        states: only keys in one of these; empty for all.
        page_size: how many one call asks for.
        limit: how many at most.
    """
    return client.pages(
        client.syncs.ListSyncKeys,
        ListSyncKeysRequest(parent=sync, page_size=page_size, states=states),
        lambda answer: list(answer.sync_keys),
        limit=limit,
    )


def show_keys(found: Iterable[SyncKey], *, empty: str = "") -> None:
    """Print keys for people, or what is to be said if there are none."""
    print_table(
        ["KEY", "NAME AT DESTINATION", "STATE", "SINCE", "LAST CHANGE", "REASON"],
        (
            [
                item.key,
                item.destination_name,
                enum_text(KeyState.DESCRIPTOR, item.state, _PREFIX),
                time_text(item.state_time),
                time_text(item.change_time),
                item.reason,
            ]
            for item in found
        ),
        empty=empty,
    )
