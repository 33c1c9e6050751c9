"""What commands that change a resource share: options, update masks, how the outcome is told."""

from collections.abc import Callable

import click
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from secretsync.cli.errors import invalid
from secretsync.cli.framework import Change, State
from secretsync.cli.output import note_dry_run, print_json, print_message, say


def describe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--display-name` and `--description`."""
    decorate = click.option("--display-name", metavar="TEXT", help="The name for people.")
    return decorate(description_option(command))


def description_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--description`."""
    return click.option("--description", metavar="TEXT", help="At most 256 characters.")(command)


def mask_of(**given: object) -> FieldMask:
    """Return the update mask of the fields that were given.

    Args:
        given: value by field; None for those that were not given. Two underscores in a name stand
            for the dot between a field and one inside it.

    Raises:
        CliError: none was given.
    """
    paths = [name.replace("__", ".") for name, value in given.items() if value is not None]
    if not paths:
        raise invalid("nothing to change: give at least one option that says what")
    return FieldMask(paths=paths)


def report(state: State, resource: Message, done: str, change: Change) -> None:
    """Tell that a resource was created or changed.

    Args:
        state: whether output is for programs.
        resource: the resource as it is now.
        done: `Created` or `Updated`.
        change: whether it was a dry run.
    """
    if state.json:
        print_message(resource)
    elif not change.validate_only:
        say(f"{done} {name_of(resource)}.")
    if change.validate_only:
        note_dry_run()


def report_deleted(state: State, name: str, change: Change) -> None:
    """Tell that a resource was deleted; for programs that is an empty object, as in the API."""
    if state.json:
        print_json({})
    elif not change.validate_only:
        say(f"Deleted {name}.")
    if change.validate_only:
        note_dry_run()


def name_of(resource: Message) -> str:
    """Return the name of a resource; every resource of the API has one."""
    name: str = getattr(resource, "name")  # noqa: B009 -- Message itself declares no fields
    return name
