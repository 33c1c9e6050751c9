"""`secretsync connection options`: choices for the fields of a sync's configuration."""

import click

from secretsync.cli.assignments import split_assignment
from secretsync.cli.client import Client, pass_client
from secretsync.cli.errors import invalid
from secretsync.cli.framework import Command, page_options
from secretsync.cli.lookups import get_connection, get_destination
from secretsync.cli.names import child_name, short_name
from secretsync.cli.output import print_json, print_messages, print_table, to_dict
from secretsync.v1.connection_service_pb2 import ListConnectionOptionsRequest
from secretsync.v1.secret_sync_service_pb2 import Destination


@click.command(
    cls=Command,
    example="secretsync --project shop connection options octopus\n"
    "secretsync --project shop connection options octopus projects --param spaceId=Spaces-1",
)
@click.argument("name", metavar="CONNECTION")
@click.argument("option_list", metavar="[LIST]", required=False)
@click.option(
    "--param",
    "params",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value chosen before, e.g. spaceId=Spaces-1. Repeatable.",
)
@page_options
@pass_client
def options(
    client: Client,
    name: str,
    option_list: str | None,
    params: tuple[str, ...],
    page_size: int,
    limit: int | None,
) -> None:
    """List choices for a field of a sync's configuration; without LIST, what lists there are."""
    resource = child_name(client.state, "connections", name)
    if option_list is None:
        if params:
            raise invalid("--param needs the name of a LIST")
        _show_option_lists(
            client, get_destination(client, get_connection(client, resource).destination)
        )
        return
    found = client.pages(
        client.connections.ListConnectionOptions,
        ListConnectionOptionsRequest(
            name=resource,
            option_list=option_list,
            parameters=dict(split_assignment(text, "--param") for text in params),
            page_size=page_size,
        ),
        lambda answer: list(answer.options),
        limit=limit,
    )
    if client.state.json:
        print_messages("options", found)
        return
    print_table(
        ["ID", "NAME", "DESCRIPTION"],
        ([item.id, item.display_name, item.description] for item in found),
        empty=f"The destination has no {option_list}.",
    )


def _show_option_lists(client: Client, destination: Destination) -> None:
    if client.state.json:
        print_json({"optionLists": to_dict(destination)["optionLists"]})
        return
    print_table(
        ["LIST", "NEEDS", "DESCRIPTION"],
        (
            [
                item.option_list,
                " ".join(f"--param {parameter}=..." for parameter in item.parameters),
                item.description,
            ]
            for item in destination.option_lists
        ),
        empty=f"{short_name(destination.name)} offers no lists.",
    )
