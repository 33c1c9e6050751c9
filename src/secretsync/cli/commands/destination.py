"""`secretsync destination`: the types of destination that the server offers."""

import click

from secretsync.cli.assignments import from_struct
from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Group, page_options
from secretsync.cli.names import destination_name, short_name
from secretsync.cli.output import print_fields, print_message, print_messages, print_table, say
from secretsync.cli.schema import Schema
from secretsync.cli.words import yes_no
from secretsync.v1.secret_sync_service_pb2 import (
    Destination,
    GetDestinationRequest,
    ListDestinationsRequest,
)


@click.group(cls=Group)
def destination() -> None:
    """Types of destination that the server offers."""


@destination.command("list", example="secretsync destination list")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List the types of destination, those that cannot be used included."""
    found = client.pages(
        client.syncs.ListDestinations,
        ListDestinationsRequest(page_size=page_size),
        lambda answer: list(answer.destinations),
        limit=limit,
    )
    if client.state.json:
        print_messages("destinations", found)
        return
    print_table(
        ["DESTINATION", "TITLE", "USABLE", "DISTRIBUTION", "PROBLEM"],
        (
            [
                short_name(item.name),
                item.title,
                yes_no(item.available),
                item.distribution,
                item.unavailable_reason,
            ]
            for item in found
        ),
        empty="The server has no plugins. `pip install secretsync-octopus-deploy` adds one.",
    )


@destination.command(example="secretsync destination get octopus-deploy")
@click.argument("name", metavar="DESTINATION")
@pass_client
def get(client: Client, name: str) -> None:
    """Show a type of destination: credentials, configuration, lists of choices."""
    request = GetDestinationRequest(name=destination_name(name))
    found = client.call(client.syncs.GetDestination, request)
    if client.state.json:
        print_message(found)
        return
    print_fields(
        [
            ("Name", found.name),
            ("Title", found.title),
            ("Description", found.description),
            ("Distribution", found.distribution),
            ("Usable", yes_no(found.available)),
            ("Problem", found.unavailable_reason),
            ("Capabilities", ", ".join(found.capabilities)),
        ]
    )
    _show_schemas(found)


def _show_schemas(found: Destination) -> None:
    for offer in found.methods:
        say("")
        say(f"Credentials of the method {offer.method} (connection create):")
        _show_fields(Schema(from_struct(offer.credentials_schema)))
    if found.HasField("config_schema"):
        say("")
        say("Configuration (sync create --config NAME=VALUE):")
        _show_fields(Schema(from_struct(found.config_schema)))
    if found.option_lists:
        say("")
        say("Lists of choices (connection options):")
        print_table(
            ["LIST", "NEEDS", "DESCRIPTION"],
            (
                [item.option_list, ", ".join(item.parameters), item.description]
                for item in found.option_lists
            ),
        )


def _show_fields(schema: Schema) -> None:
    print_table(
        ["FIELD", "TYPE", "REQUIRED", "SECRET", "DEFAULT", "DESCRIPTION"],
        (
            [
                field.path,
                field.schema.type_text,
                "yes" if field.required else "",
                "yes" if field.schema.is_secret else "",
                field.schema.default,
                field.schema.description,
            ]
            for field in schema.leaves()
        ),
    )
