"""The settings of a secret sync: read, changed, and proved before they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from secretsync.adapter import AdapterModel, ValidateRequest
from secretsync.domain import guards, key_schema, names, schedules
from secretsync.domain.entities import (
    Connection,
    Environment,
    FolderRef,
    Project,
    SecretSync,
    SyncOptions,
)
from secretsync.domain.etags import check_etag
from secretsync.domain.problems import (
    Violations,
    already_exists,
    not_found,
)
from secretsync.domain.schedules import Schedule
from secretsync.engine.sealed import stored_credentials
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.capabilities import check_options
from secretsync.operations.destinations import call_destination
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """A sync as somebody wants it; connection and environment are resource names."""

    description: str = ""
    connection: str = ""
    environment: str = ""
    secret_path: str = "/"  # noqa: S105  the path of a folder
    recursive: bool = False
    destination_config: Mapping[str, Any] = field(default_factory=dict)
    options: SyncOptions = field(default_factory=SyncOptions)
    is_enabled: bool = True
    is_auto_sync_enabled: bool = True
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedSettings:
    """Settings that have passed every check.

    `is_elsewhere` tells whether they may lead to another place than the settings before.
    """

    settings: SyncSettings
    is_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The resources that settings name."""

    project: Project
    connection: Connection
    environment: Environment


def check_plain(parent: str, settings: SyncSettings, violations: Violations) -> None:
    """Note what is wrong with the fields that can be judged by themselves."""
    top = "secret_sync"
    violations.check(f"{top}.description", names.text_complaint(settings.description))
    violations.check(f"{top}.source.secret_path", names.path_complaint(settings.secret_path))
    violations.check(
        f"{top}.sync_options.key_schema", key_schema.complaint(settings.options.key_schema)
    )
    interval = timedelta(seconds=settings.options.drift_interval)
    violations.check(f"{top}.sync_options.drift_interval", schedules.interval_complaint(interval))
    violations.check(
        f"{top}.destination_config", names.object_complaint(settings.destination_config)
    )
    if settings.schedule:
        for name, complaint in schedules.complaints(settings.schedule):
            violations.add(f"{top}.schedule.{name}".rstrip("."), complaint)
    violations.check(
        f"{top}.sync_options.max_deletions", guards.complaint(settings.options.max_deletions)
    )
    owner = names.PROJECT.parse(parent)
    for name, pattern, value in (
        ("connection", names.CONNECTION, settings.connection),
        ("source.environment", names.ENVIRONMENT, settings.environment),
    ):
        parts = pattern.check(f"{top}.{name}", value, violations)
        if owner and parts[0] and parts[0] != owner[0]:
            violations.add(f"{top}.{name}", f"must be of the same project, {parent}")


def resolve(
    tx: Transaction, parent: str, settings: SyncSettings, before: SyncSettings | None
) -> Resolved:
    """Find what settings name.

    The source folder must exist only where it is chosen anew: a sync whose folder has vanished can
    still be disabled or pointed elsewhere.
    """
    project = lookups.project(tx, "parent", parent)
    connection = lookups.connection(tx, "secret_sync.connection", settings.connection)
    field_name = "secret_sync.source.environment"
    environment = lookups.environment(tx, field_name, settings.environment)
    chosen = (settings.environment, settings.secret_path)
    if before and chosen == (before.environment, before.secret_path):
        return Resolved(project=project, connection=connection, environment=environment)
    if not tx.secrets.folder_exists(FolderRef(environment.uid, settings.secret_path)):
        raise not_found(
            environment.name,
            f"secret_sync.source.secret_path: {environment.name} has no folder"
            f" {settings.secret_path}: write a secret there first",
        )
    return Resolved(project=project, connection=connection, environment=environment)


def check_config(
    app: App, tx: Transaction, settings: SyncSettings, violations: Violations
) -> tuple[str, AdapterModel | None]:
    """Return the destination's name and the configuration's model, noting what is wrong with it.

    An unknown connection is not told of here, since what is wrong with fields comes first.
    """
    parts = names.CONNECTION.parse(settings.connection)
    owner = tx.projects.get(parts[0]) if parts else None
    connection = tx.connections.get(owner.uid, parts[1]) if parts and owner else None
    if connection is None:
        return "", None
    field_name = "secret_sync.destination_config"
    model = app.registry.parse_config(
        connection.destination, settings.destination_config, field_name, violations
    )
    return connection.destination, model


async def prove_settings(
    app: App,
    parent: str,
    settings: SyncSettings,
    violations: Violations,
    before: SyncSettings | None = None,
    slug: str = "",
) -> ProvedSettings:
    """Check settings by themselves, against the store, and against the destination.

    The destination is asked only about what is new to it: a sync can be disabled or described
    while its destination is out of reach.

    Args:
        app: the parts to work with.
        parent: name of the project.
        settings: the settings.
        violations: what is wrong with the rest of the request; raised together with what is wrong
            here, before the destination is called.
        before: the settings that these change; None for a new sync.
        slug: of a new sync.

    Raises:
        Problem: see `SecretSyncService.CreateSecretSync` in the API.
    """
    check_plain(parent, settings, violations)
    if before and _destination_part(settings) == _destination_part(before):
        violations.raise_if_any()
        resolved = await app.read(lambda tx: resolve(tx, parent, settings, before))
        check_options(app, resolved.connection.destination, settings.options, before.options)
        return ProvedSettings(settings=settings, is_elsewhere=False)

    def check(tx: Transaction) -> tuple[str, AdapterModel | None, AdapterModel]:
        destination, config = check_config(app, tx, settings, violations)
        violations.raise_if_any()
        if before is None:
            find_room(tx, parent, slug)
        resolved = resolve(tx, parent, settings, before)
        return (
            destination,
            config,
            stored_credentials(app.registry, app.vault, tx, resolved.connection),
        )

    destination, config, credentials = await app.read(check)
    check_options(app, destination, settings.options)
    await call_destination(
        app,
        lambda basics: app.registry.validate(
            destination, ValidateRequest(credentials=credentials, config=config, **basics)
        ),
        config_field="secret_sync.destination_config",
        credentials_field="secret_sync.connection",
        credential_names=[
            each.alias or name for name, each in type(credentials).model_fields.items()
        ],
    )
    return ProvedSettings(settings=settings, is_elsewhere=True)


async def prove_changes(
    app: App, name: str, etag: str, changes: Mapping[str, Any], violations: Violations
) -> tuple[SyncSettings, ProvedSettings]:
    """Check the changes of a sync.

    Returns:
        The settings as they are, and the proved settings with the changes.

    Raises:
        Problem: see `SecretSyncService.UpdateSecretSync` in the API.
    """
    names.SECRET_SYNC.check("secret_sync.name", name, violations)
    if names.SECRET_SYNC.parse(name) is None:
        violations.raise_if_any()
    sync = await app.read(lambda tx: lookups.secret_sync(tx, "secret_sync.name", name))
    check_etag(sync, etag)
    before = settings_of(sync)
    proved = await prove_settings(
        app, f"projects/{sync.project}", apply_changes(before, changes), violations, before
    )
    return before, proved


def _destination_part(settings: SyncSettings) -> tuple[object, ...]:
    """Return what the destination has a say in."""
    behavior = settings.options.initial_sync_behavior
    return settings.connection, settings.destination_config, behavior


def check_new(parent: str, slug: str) -> Violations:
    """Return what is wrong with the name of a new sync."""
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    violations.check("secret_sync_id", names.slug_complaint(slug))
    return violations


def find_room(tx: Transaction, parent: str, slug: str) -> Project:
    """Return the project that a new sync goes into.

    Raises:
        Problem: NOT_FOUND of the project, ALREADY_EXISTS of the sync.
    """
    project = lookups.project(tx, "parent", parent)
    if tx.syncs.get(project.uid, slug):
        raise already_exists(f"{parent}/secretSyncs/{slug}")
    return project


def settings_of(sync: SecretSync) -> SyncSettings:
    """Return the settings of a sync as it is."""
    return SyncSettings(
        description=sync.description,
        connection=f"projects/{sync.project}/connections/{sync.connection}",
        environment=f"projects/{sync.project}/environments/{sync.environment}",
        secret_path=sync.secret_path,
        recursive=sync.recursive,
        destination_config=sync.destination_config,
        options=sync.options,
        is_enabled=sync.is_enabled,
        is_auto_sync_enabled=sync.is_auto_sync_enabled,
        schedule=sync.schedule,
    )


def apply_changes(settings: SyncSettings, changes: Mapping[str, Any]) -> SyncSettings:
    """Return settings with the changed fields, which are named as in the update mask."""
    plain: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for path, value in changes.items():
        head, _, tail = path.rpartition(".")
        (options if head == "sync_options" else plain)[tail] = value
    return replace(settings, options=replace(settings.options, **options), **plain)
