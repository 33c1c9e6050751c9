"""`secretsync connection`: credentials for an instance of a destination."""

import click

from secretsync.cli.assignments import from_struct, to_struct
from secretsync.cli.changes import description_option, mask_of, report, report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.connection_options import options
from secretsync.cli.credentials import (
    CredentialOptions,
    choose_method,
    credential_options,
    gather,
)
from secretsync.cli.framework import Change, Group, change_options, etag_option, page_options
from secretsync.cli.lookups import get_connection, get_destination
from secretsync.cli.names import child_name, destination_name, project_name, short_name
from secretsync.cli.output import (
    print_fields,
    print_message,
    print_messages,
    print_table,
    say,
)
from secretsync.cli.pause_view import pause_fields
from secretsync.cli.words import time_and_age, time_text, value_text
from secretsync.v1.connection_service_pb2 import (
    Connection,
    CreateConnectionRequest,
    DeleteConnectionRequest,
    ListConnectionsRequest,
    UpdateConnectionRequest,
    ValidateConnectionRequest,
)


@click.group(cls=Group)
def connection() -> None:
    """Credentials for an instance of a destination."""


connection.add_command(options)


@connection.command(
    example="secretsync --project shop connection create octopus --destination octopus-deploy "
    "--set instanceUrl=https://octopus.example --secret apiKey\n"
    "secretsync --project shop connection create octopus --destination octopus-deploy "
    "--set instanceUrl=https://octopus.example --secret-file apiKey=key.txt"
)
@click.argument("name", metavar="CONNECTION")
@click.option("--destination", metavar="DESTINATION", required=True, help="E.g. octopus-deploy.")
@click.option(
    "--method",
    metavar="METHOD",
    help="How to authenticate, e.g. api-key. Default: the first that the destination offers.",
)
@credential_options
@description_option
@change_options
@pass_client
def create(
    client: Client,
    name: str,
    destination: str,
    method: str | None,
    credentials: CredentialOptions,
    description: str | None,
    change: Change,
) -> None:
    """Create a connection, after its credentials were proved against the instance.

    Fields that are missing are asked for on a terminal; `secretsync destination get` lists them.
    """
    resource = child_name(client.state, "connections", name)
    target = get_destination(client, destination_name(destination))
    chosen = choose_method(target, method)
    request = CreateConnectionRequest(
        parent=resource.partition("/connections/")[0],
        connection_id=short_name(resource),
        connection=Connection(
            description=description or "",
            destination=target.name,
            method=chosen,
            credentials=to_struct(gather(target, chosen, credentials, {})),
        ),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    created = client.call(client.connections.CreateConnection, request)
    report(client.state, created, "Created", change)


@connection.command(example="secretsync --project shop connection get octopus")
@click.argument("name", metavar="CONNECTION")
@pass_client
def get(client: Client, name: str) -> None:
    """Show a connection, never its secret credentials."""
    found = get_connection(client, child_name(client.state, "connections", name))
    if client.state.json:
        print_message(found)
        return
    public = from_struct(found.public_credentials)
    print_fields(
        [
            ("Name", found.name),
            ("Description", found.description),
            ("Destination", short_name(found.destination)),
            ("Method", found.method),
            *((field, value_text(value)) for field, value in sorted(public.items())),
            ("Credentials hash", found.credentials_hash),
            *pause_fields(found.pauses),
            ("Version", str(found.version)),
            ("Created", time_and_age(found.create_time)),
            ("Changed", time_and_age(found.update_time)),
            ("UID", found.uid),
            ("ETag", found.etag),
        ]
    )


@connection.command("list", example="secretsync --project shop connection list")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List a project's connections."""
    found = client.pages(
        client.connections.ListConnections,
        ListConnectionsRequest(parent=project_name(client.state), page_size=page_size),
        lambda answer: list(answer.connections),
        limit=limit,
    )
    if client.state.json:
        print_messages("connections", found)
        return
    print_table(
        ["CONNECTION", "DESTINATION", "METHOD", "DESCRIPTION", "CHANGED"],
        (
            [
                short_name(item.name),
                short_name(item.destination),
                item.method,
                item.description,
                time_text(item.update_time),
            ]
            for item in found
        ),
        empty="There are no connections. `secretsync connection create` makes one.",
    )


@connection.command(
    example="secretsync --project shop connection update octopus --secret apiKey\n"
    "secretsync --project shop connection update octopus --description 'Production Octopus'"
)
@click.argument("name", metavar="CONNECTION")
@click.option("--method", metavar="METHOD", help="Another way to authenticate; needs all fields.")
@credential_options
@description_option
@etag_option
@change_options
@pass_client
def update(
    client: Client,
    name: str,
    method: str | None,
    credentials: CredentialOptions,
    description: str | None,
    etag: str,
    change: Change,
) -> None:
    """Change a connection's description or credentials; new credentials are proved first.

    The server replaces credentials as a whole: fields that are no secrets are taken from the
    present ones, and every secret field must be given again.
    """
    resource = child_name(client.state, "connections", name)
    changed = Connection(name=resource, description=description or "", etag=etag)
    new_credentials = credentials.is_given or method is not None
    mask = mask_of(
        description=description, method=method, credentials=True if new_credentials else None
    )
    if new_credentials:
        present = get_connection(client, resource)
        target = get_destination(client, present.destination)
        changed.method = choose_method(target, method or present.method)
        known = from_struct(present.public_credentials) if changed.method == present.method else {}
        changed.credentials.update(gather(target, changed.method, credentials, known))
    request = UpdateConnectionRequest(
        connection=changed,
        update_mask=mask,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    updated = client.call(client.connections.UpdateConnection, request)
    report(client.state, updated, "Updated", change)


@connection.command(example="secretsync --project shop connection delete octopus")
@click.argument("name", metavar="CONNECTION")
@etag_option
@change_options
@pass_client
def delete(client: Client, name: str, etag: str, change: Change) -> None:
    """Delete a connection. Refused while secret syncs use it."""
    resource = child_name(client.state, "connections", name)
    request = DeleteConnectionRequest(
        name=resource,
        etag=etag,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    client.call(client.connections.DeleteConnection, request)
    report_deleted(client.state, resource, change)


@connection.command(example="secretsync --project shop connection validate octopus")
@click.argument("name", metavar="CONNECTION")
@pass_client
def validate(client: Client, name: str) -> None:
    """Prove that the stored credentials work now."""
    request = ValidateConnectionRequest(name=child_name(client.state, "connections", name))
    answer = client.call(client.connections.ValidateConnection, request)
    if client.state.json:
        print_message(answer)
        return
    say(answer.summary)
    for warning in answer.warnings:
        say(f"warning: {warning}")
