"""`secretsync environment`: the environments of a project."""

import click

from secretsync.cli.changes import describe_options, mask_of, report, report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Change, Group, change_options, etag_option, page_options
from secretsync.cli.inputs import confirm
from secretsync.cli.names import child_name, project_name, short_name
from secretsync.cli.output import print_fields, print_message, print_messages, print_table
from secretsync.cli.words import time_and_age, time_text
from secretsync.v1.project_service_pb2 import (
    CreateEnvironmentRequest,
    DeleteEnvironmentRequest,
    Environment,
    GetEnvironmentRequest,
    ListEnvironmentsRequest,
    UpdateEnvironmentRequest,
)


@click.group(cls=Group)
def environment() -> None:
    """Environments of a project, e.g. dev and prod."""


@environment.command(
    example="secretsync --project shop environment create dev\n"
    "secretsync environment create projects/shop/environments/prod"
)
@click.argument("name", metavar="ENVIRONMENT")
@describe_options
@change_options
@pass_client
def create(
    client: Client, name: str, display_name: str | None, description: str | None, change: Change
) -> None:
    """Create an environment: lowercase letters, digits and hyphens."""
    resource = child_name(client.state, "environments", name)
    request = CreateEnvironmentRequest(
        parent=resource.partition("/environments/")[0],
        environment_id=short_name(resource),
        environment=Environment(display_name=display_name or "", description=description or ""),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    created = client.call(client.projects.CreateEnvironment, request)
    report(client.state, created, "Created", change)


@environment.command(example="secretsync --project shop environment get dev")
@click.argument("name", metavar="ENVIRONMENT")
@pass_client
def get(client: Client, name: str) -> None:
    """Show an environment."""
    request = GetEnvironmentRequest(name=child_name(client.state, "environments", name))
    found = client.call(client.projects.GetEnvironment, request)
    if client.state.json:
        print_message(found)
        return
    print_fields(
        [
            ("Name", found.name),
            ("Display name", found.display_name),
            ("Description", found.description),
            ("Created", time_and_age(found.create_time)),
            ("Changed", time_and_age(found.update_time)),
            ("UID", found.uid),
            ("ETag", found.etag),
        ]
    )


@environment.command("list", example="secretsync --project shop environment list")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List a project's environments."""
    found = client.pages(
        client.projects.ListEnvironments,
        ListEnvironmentsRequest(parent=project_name(client.state), page_size=page_size),
        lambda answer: list(answer.environments),
        limit=limit,
    )
    if client.state.json:
        print_messages("environments", found)
        return
    print_table(
        ["ENVIRONMENT", "DISPLAY NAME", "DESCRIPTION", "CHANGED"],
        (
            [
                short_name(item.name),
                item.display_name,
                item.description,
                time_text(item.update_time),
            ]
            for item in found
        ),
        empty="There are no environments. `secretsync environment create` makes one.",
    )


@environment.command(
    example="secretsync --project shop environment update dev --display-name Development"
)
@click.argument("name", metavar="ENVIRONMENT")
@describe_options
@etag_option
@change_options
@pass_client
def update(
    client: Client,
    name: str,
    display_name: str | None,
    description: str | None,
    etag: str,
    change: Change,
) -> None:
    """Change an environment's display name or description; what is not given stays."""
    request = UpdateEnvironmentRequest(
        environment=Environment(
            name=child_name(client.state, "environments", name),
            display_name=display_name or "",
            description=description or "",
            etag=etag,
        ),
        update_mask=mask_of(display_name=display_name, description=description),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    updated = client.call(client.projects.UpdateEnvironment, request)
    report(client.state, updated, "Updated", change)


@environment.command(example="secretsync --project shop environment delete dev --force --yes")
@click.argument("name", metavar="ENVIRONMENT")
@click.option("--force", is_flag=True, help="Delete its secrets and imports too.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a --force.")
@etag_option
@change_options
@pass_client
def delete(
    client: Client,
    name: str,
    force: bool,  # noqa: FBT001
    yes: bool,  # noqa: FBT001
    etag: str,
    change: Change,
) -> None:
    """Delete an environment. Refused while it holds secrets, unless --force is given.

    An environment that secret syncs or other environments use is never deleted.
    """
    resource = child_name(client.state, "environments", name)
    if force and not change.validate_only:
        confirm(f"Delete {resource} with all its secrets and imports?", yes=yes)
    request = DeleteEnvironmentRequest(
        name=resource,
        etag=etag,
        force=force,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    client.call(client.projects.DeleteEnvironment, request)
    report_deleted(client.state, resource, change)
