"""The options that `sync create` and `sync update` share, and the settings that they make."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import update_wrapper
from typing import Any

import click
from google.protobuf.message import Message

from secretsync.cli.assignments import (
    assign,
    from_struct,
    read_object,
    to_struct,
    unassign,
)
from secretsync.cli.client import Client
from secretsync.cli.drift_view import DRIFT_POLICIES, drift_options, duration_of
from secretsync.cli.limits import read_limit
from secretsync.cli.lookups import get_connection, get_destination
from secretsync.cli.names import child_name
from secretsync.cli.overlap_view import POLICIES
from secretsync.cli.schedule_options import schedule_of, schedule_options
from secretsync.cli.schema import Schema
from secretsync.v1.secret_sync_service_pb2 import (
    INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_DESTINATION,
    INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE,
    INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
    MaxDeletions,
    Schedule,
    SecretSync,
)

BEHAVIORS = {
    "overwrite-destination": INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
    "import-prioritize-source": INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE,
    "import-prioritize-destination": INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_DESTINATION,
}


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """What the user said about a sync's settings; None or empty where nothing was said."""

    connection: str | None
    environment: str | None
    secret_path: str | None
    recursive: bool | None
    config: tuple[str, ...]
    config_file: str | None
    key_schema: str | None
    initial_sync_behavior: str | None
    disable_secret_deletion: bool | None
    overlap_policy: str | None
    max_deletions: MaxDeletions | None
    require_approval: bool | None
    enabled: bool | None
    auto_sync: bool | None
    drift_policy: str | None
    drift_interval: timedelta | None
    every: timedelta | None
    cron: str | None
    time_zone: str | None
    no_schedule: bool
    description: str | None

    def settings(self, client: Client) -> dict[str, Any]:
        """Return the fields that were given, by path as in an update mask.

        The configuration is not among them: what its text means depends on the destination.
        """
        state = client.state
        given = {
            "description": self.description,
            "connection": self.connection and child_name(state, "connections", self.connection),
            "source.environment": self.environment
            and child_name(state, "environments", self.environment),
            "source.secret_path": self.secret_path,
            "source.recursive": self.recursive,
            "sync_options.key_schema": self.key_schema,
            "sync_options.initial_sync_behavior": self.initial_sync_behavior
            and BEHAVIORS[self.initial_sync_behavior],
            "sync_options.disable_secret_deletion": self.disable_secret_deletion,
            "sync_options.overlap_policy": self.overlap_policy and POLICIES[self.overlap_policy],
            "sync_options.max_deletions": self.max_deletions,
            "sync_options.require_approval": self.require_approval,
            "sync_options.drift_policy": self.drift_policy and DRIFT_POLICIES[self.drift_policy],
            "sync_options.drift_interval": duration_of(self.drift_interval),
            "is_enabled": self.enabled,
            "is_auto_sync_enabled": self.auto_sync,
            "schedule": schedule_of(
                self.every, self.cron, self.time_zone, no_schedule=self.no_schedule
            ),
        }
        return {path: value for path, value in given.items() if value is not None}


def sync_options(*, create: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that gives a command these options, as one argument `options`.

    Args:
        create: whether connection and environment are required.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = {field.name for field in fields(SyncOptions)}

        def with_options(*args: object, **arguments: Any) -> None:  # noqa: ANN401
            given = {name: arguments.pop(name) for name in names}
            command(*args, options=SyncOptions(**given), **arguments)

        decorated = update_wrapper(with_options, command)
        for option in reversed(_options(create=create)):
            decorated = option(decorated)
        return decorated

    return decorate


def _options(*, create: bool) -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    return [
        click.option(
            "--connection", metavar="CONNECTION", required=create, help="The connection to use."
        ),
        click.option(
            "--environment",
            "-e",
            metavar="ENVIRONMENT",
            required=create,
            envvar="SECRETSYNC_ENVIRONMENT" if create else None,
            help="Where the secrets come from.",
        ),
        click.option(
            "--secret-path", metavar="PATH", help="The folder that they come from. Default: /."
        ),
        click.option(
            "--recursive/--no-recursive", default=None, help="Take the folders below it too."
        ),
        click.option(
            "--config",
            metavar="NAME=VALUE",
            multiple=True,
            help="Where the secrets go: a field of the destination's configuration, with dots "
            "into nested ones; repeat it for more values of a list.",
        ),
        click.option(
            "--config-file",
            metavar="FILE",
            help="The whole configuration, a JSON or YAML object; --config adds to it.",
        ),
        click.option(
            "--key-schema",
            metavar="TEXT",
            help="How names are made, e.g. {{environment}}_{{secretKey}}. Default: the key.",
        ),
        click.option(
            "--initial-sync-behavior",
            type=click.Choice(list(BEHAVIORS)),
            help="What the first run does about what is there already. "
            "Default: overwrite-destination.",
        ),
        click.option(
            "--disable-secret-deletion/--enable-secret-deletion",
            default=None,
            help="Never delete anything at the destination in a sync run.",
        ),
        click.option(
            "--overlap-policy",
            type=click.Choice(list(POLICIES)),
            help="What saving does about other syncs that write the same. Default: warn.",
        ),
        click.option(
            "--max-deletions",
            metavar="LIMIT",
            callback=read_limit,
            help="How much one sync run may delete: a number of secrets, a share such as 20%, or"
            " `default`. Default: 50%, and 5 secrets in any case.",
        ),
        click.option(
            "--require-approval/--no-require-approval",
            default=None,
            help="Write nothing that nobody has approved. Default: no approval is needed.",
        ),
        click.option(
            "--enabled/--disabled", default=None, help="Whether runs may start. Default: enabled."
        ),
        click.option(
            "--auto-sync/--no-auto-sync",
            default=None,
            help="Whether changes queue runs. Default: they do.",
        ),
        *drift_options(),
        *schedule_options(),
        click.option("--description", metavar="TEXT", help="At most 256 characters."),
    ]


def build(
    settings: dict[str, Any], config: dict[str, Any] | None, *, name: str = "", etag: str = ""
) -> SecretSync:
    """Return a sync with these settings.

    Args:
        settings: values by path, as SyncOptions.settings returns them; an empty schedule unsets.
        config: the configuration; None to leave it unset.
        name: which sync it is, in an update.
        etag: what the update is based on.
    """
    sync = SecretSync(name=name, etag=etag)
    for path, value in settings.items():
        *parents, last = path.split(".")
        target: Any = sync
        for parent in parents:
            target = getattr(target, parent)
        if not isinstance(value, Message):
            setattr(target, last, value)
        elif value != Schedule():
            getattr(target, last).CopyFrom(value)
    if config is not None:
        sync.destination_config.CopyFrom(to_struct(config))
    return sync


def new_config(client: Client, connection: str, options: SyncOptions) -> dict[str, Any]:
    """Return the configuration that `--config-file` and `--config` make.

    Args:
        client: asks for the schema of the connection's destination.
        connection: the connection's resource name.
        options: what was given.

    Raises:
        CliError: something given cannot be used, or a call failed.
    """
    config = read_object(options.config_file) if options.config_file is not None else {}
    if options.config:
        assign(
            config, options.config, _schema(client, get_connection(client, connection).destination)
        )
    return config


def changed_config(
    client: Client, present: SecretSync, options: SyncOptions, unset: tuple[str, ...]
) -> dict[str, Any]:
    """Return a sync's configuration as `sync update` changes it.

    Args:
        client: asks for the schema of the destination.
        present: the sync as it is.
        options: what was given; `--config-file` replaces all that was there.
        unset: fields to take out.

    Raises:
        CliError: something given cannot be used, or a call failed.
    """
    if options.config_file is not None:
        config = read_object(options.config_file)
    else:
        config = from_struct(present.destination_config)
    unassign(config, unset)
    if options.config:
        assign(config, options.config, _schema(client, present.destination))
    return config


def _schema(client: Client, destination: str) -> Schema:
    return Schema(from_struct(get_destination(client, destination).config_schema))
