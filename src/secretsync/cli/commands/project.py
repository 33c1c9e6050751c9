"""`secretsync project`: the units that all else belongs to."""

import click

from secretsync.cli.changes import describe_options, mask_of, report, report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.framework import Change, Group, change_options, etag_option, page_options
from secretsync.cli.inputs import confirm
from secretsync.cli.names import project_name, short_name
from secretsync.cli.output import print_fields, print_message, print_messages, print_table
from secretsync.cli.words import time_and_age, time_text
from secretsync.v1.project_service_pb2 import (
    CreateProjectRequest,
    DeleteProjectRequest,
    GetProjectRequest,
    ListProjectsRequest,
    Project,
    UpdateProjectRequest,
)


@click.group(cls=Group)
def project() -> None:
    """Projects: what all else belongs to."""


@project.command(example="secretsync project create shop --display-name 'The shop'")
@click.argument("slug")
@describe_options
@change_options
@pass_client
def create(
    client: Client, slug: str, display_name: str | None, description: str | None, change: Change
) -> None:
    """Create a project named SLUG: lowercase letters, digits and hyphens."""
    request = CreateProjectRequest(
        project_id=short_name(project_name(client.state, slug)),
        project=Project(display_name=display_name or "", description=description or ""),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    report(client.state, client.call(client.projects.CreateProject, request), "Created", change)


@project.command(example="secretsync project get shop")
@click.argument("name", metavar="PROJECT", required=False)
@pass_client
def get(client: Client, name: str | None) -> None:
    """Show a project. Default: the one of --project."""
    request = GetProjectRequest(name=project_name(client.state, name))
    found = client.call(client.projects.GetProject, request)
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


@project.command("list", example="secretsync project list --json")
@page_options
@pass_client
def list_(client: Client, page_size: int, limit: int | None) -> None:
    """List the projects."""
    found = client.pages(
        client.projects.ListProjects,
        ListProjectsRequest(page_size=page_size),
        lambda answer: list(answer.projects),
        limit=limit,
    )
    if client.state.json:
        print_messages("projects", found)
        return
    print_table(
        ["PROJECT", "DISPLAY NAME", "DESCRIPTION", "CHANGED"],
        (
            [
                short_name(item.name),
                item.display_name,
                item.description,
                time_text(item.update_time),
            ]
            for item in found
        ),
        empty="There are no projects. `secretsync project create` makes one.",
    )


@project.command(example="secretsync project update shop --description 'Web shop'")
@click.argument("name", metavar="PROJECT")
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
    """Change a project's display name or description; what is not given stays."""
    request = UpdateProjectRequest(
        project=Project(
            name=project_name(client.state, name),
            display_name=display_name or "",
            description=description or "",
            etag=etag,
        ),
        update_mask=mask_of(display_name=display_name, description=description),
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    report(client.state, client.call(client.projects.UpdateProject, request), "Updated", change)


@project.command(
    example="secretsync project delete shop\nsecretsync project delete shop --force --yes"
)
@click.argument("name", metavar="PROJECT")
@click.option("--force", is_flag=True, help="Delete its environments, secrets, connections too.")
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
    """Delete a project. Refused while it holds anything, unless --force is given.

    A project with secret syncs is never deleted: delete those first.
    """
    resource = project_name(client.state, name)
    if force and not change.validate_only:
        confirm(f"Delete {resource} with all its environments, secrets and connections?", yes=yes)
    request = DeleteProjectRequest(
        name=resource,
        etag=etag,
        force=force,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    client.call(client.projects.DeleteProject, request)
    report_deleted(client.state, resource, change)
