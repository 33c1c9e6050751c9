"""`secretsync sync keys`: how each key of a sync stands at its destination."""

import click

from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Command, page_options
from secretsync.cli.names import child_name
from secretsync.cli.output import print_messages, print_table
from secretsync.cli.words import enum_text, time_text
from secretsync.v1.secret_sync_service_pb2 import KeyState, ListSyncKeysRequest

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
    found = client.pages(
        client.syncs.ListSyncKeys,
        ListSyncKeysRequest(
            parent=child_name(client.state, "secretSyncs", name),
            page_size=page_size,
            states=[KeyState.Value(f"{_PREFIX}{state.upper()}") for state in states],
        ),
        lambda answer: list(answer.sync_keys),
        limit=limit,
    )
    if client.state.json:
        print_messages("syncKeys", found)
        return
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
        empty="There are no such keys." if states else "No run has looked at any key yet.",
    )
