"""`secretsync secret-import`: imports of one folder's secrets into another folder."""

import click

from secretsync.cli.changes import report, report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.folders import environment_option, path_option
from secretsync.cli.framework import Change, Group, change_options, page_options
from secretsync.cli.names import child_name, secret_import_name, short_name
from secretsync.cli.output import print_messages, print_table
from secretsync.cli.words import time_text
from secretsync.v1.secret_service_pb2 import (
    CreateSecretImportRequest,
    DeleteSecretImportRequest,
    ListSecretImportsRequest,
    SecretImport,
)


@click.group("secret-import", cls=Group)
def secret_import() -> None:
    """Imports of one folder's secrets into another folder.

    A folder's own secrets win over imported ones, and later imports over earlier ones. To load a
    file, use `secretsync secret import`.
    """


@secret_import.command(
    example="secretsync --project shop secret-import create -e dev --from-environment base\n"
    "secretsync --project shop secret-import create -e dev --path /api "
    "--from-environment dev --from-path /common"
)
@environment_option
@path_option
@click.option(
    "--from-environment",
    metavar="ENVIRONMENT",
    required=True,
    help="The environment to import from, of the same project.",
)
@click.option(
    "--from-path", metavar="PATH", default="/", show_default=True, help="The folder to import."
)
@change_options
@pass_client
def create(
    client: Client,
    environment: str,
    path: str,
    from_environment: str,
    from_path: str,
    change: Change,
) -> None:
    """Let a folder import another folder (itself, not those below it)."""
    request = CreateSecretImportRequest(
        parent=child_name(client.state, "environments", environment),
        secret_import=SecretImport(
            path=path,
            import_environment=child_name(client.state, "environments", from_environment),
            import_path=from_path,
        ),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    created = client.call(client.secrets.CreateSecretImport, request)
    report(client.state, created, "Created", change)


@secret_import.command("list", example="secretsync --project shop secret-import list -e dev")
@environment_option
@click.option("--path", metavar="PATH", default="", help="Only of this folder. Default: all.")
@page_options
@pass_client
def list_(client: Client, environment: str, path: str, page_size: int, limit: int | None) -> None:
    """List the imports of an environment, in the order in which they apply."""
    request = ListSecretImportsRequest(
        parent=child_name(client.state, "environments", environment),
        path=path,
        page_size=page_size,
    )
    found = client.pages(
        client.secrets.ListSecretImports,
        request,
        lambda answer: list(answer.secret_imports),
        limit=limit,
    )
    if client.state.json:
        print_messages("secretImports", found)
        return
    print_table(
        ["ID", "PATH", "POSITION", "IMPORTS", "CREATED"],
        (
            [
                short_name(item.name),
                item.path,
                str(item.position),
                f"{short_name(item.import_environment)}:{item.import_path}",
                time_text(item.create_time),
            ]
            for item in found
        ),
        empty="There are no secret imports. `secretsync secret-import create` makes one.",
    )


@secret_import.command(example="secretsync --project shop secret-import delete 1a2b3c -e dev")
@click.argument("name", metavar="ID")
@click.option(
    "--environment",
    "-e",
    metavar="ENVIRONMENT",
    envvar="SECRETSYNC_ENVIRONMENT",
    help="The environment that a short ID belongs to (env SECRETSYNC_ENVIRONMENT).",
)
@change_options
@pass_client
def delete(client: Client, name: str, environment: str | None, change: Change) -> None:
    """End an import: ID is from `secretsync secret-import list`."""
    resource = secret_import_name(client.state, environment, name)
    request = DeleteSecretImportRequest(
        name=resource, request_id=change.request_id, validate_only=change.validate_only
    )
    client.call(client.secrets.DeleteSecretImport, request)
    report_deleted(client.state, resource, change)
