"""Secret syncs: every change queues the runs that follow from it."""

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

from secretsync.domain import names
from secretsync.domain.entities import Connection, RunTrigger, SecretSync
from secretsync.domain.etags import check_etag
from secretsync.domain.problems import (
    Code,
    Problem,
    Reason,
    Violations,
)
from secretsync.engine.clean_up import end_forbidden, require_asking
from secretsync.engine.schedules import begin_times, keep_times
from secretsync.engine.unwanted import end_disabled
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.moving import move, queue_sync
from secretsync.operations.paging import Page, PageRequest, close_page, fitting
from secretsync.operations.sync_settings import (
    ProvedSettings,
    Resolved,
    SyncSettings,
    check_config,
    find_room,
    resolve,
    settings_of,
)
from secretsync.store.protocol import Transaction


def create_secret_sync(
    app: App, tx: Transaction, parent: str, slug: str, proved: ProvedSettings
) -> SecretSync:
    """Create a sync with proved settings, and queue its first run if it syncs automatically."""
    find_room(tx, parent, slug)
    # The settings were proved a moment ago, outside of this transaction: what they name must
    # still be there.
    sync = new_secret_sync(app, tx, parent, slug, proved.settings)
    sync = begin_times(sync, sync.create_time)
    tx.syncs.insert(sync)
    queue_sync(app, tx, sync, RunTrigger.CREATE)
    return sync


def new_secret_sync(
    app: App, tx: Transaction, parent: str, slug: str, settings: SyncSettings
) -> SecretSync:
    """Return a sync with these settings, which is stored nowhere yet."""
    resolved = resolve(tx, parent, settings, None)
    now = app.clock()
    return SecretSync(
        uid=str(uuid4()),
        project_uid=resolved.project.uid,
        project=resolved.project.slug,
        slug=slug,
        target_key=_target_key(app, tx, resolved.connection, settings),
        create_time=now,
        update_time=now,
        **_fields(resolved, settings),
    )


def _target_key(app: App, tx: Transaction, connection: Connection, settings: SyncSettings) -> str:
    """Return the key of the place that settings lead to, with the credentials as they are now.

    The connection may have changed since the settings were proved, so this belongs into the
    transaction that stores the key.
    """
    violations = Violations()
    _, config = check_config(app, tx, settings, violations)
    violations.raise_if_any()
    info = app.registry.get(connection.destination).info
    return info.target_key(config, connection.instance)


def _fields(resolved: Resolved, settings: SyncSettings) -> dict[str, Any]:
    return {
        "description": settings.description,
        "destination": resolved.connection.destination,
        "connection_uid": resolved.connection.uid,
        "connection": resolved.connection.slug,
        "environment_uid": resolved.environment.uid,
        "environment": resolved.environment.slug,
        "secret_path": settings.secret_path,
        "recursive": settings.recursive,
        "destination_config": dict(settings.destination_config),
        "options": settings.options,
        "is_enabled": settings.is_enabled,
        "is_auto_sync_enabled": settings.is_auto_sync_enabled,
        "schedule": settings.schedule,
    }


def list_secret_syncs(tx: Transaction, parent: str, request: PageRequest) -> Page[SecretSync]:
    """Return a page of a project's syncs; fewer than asked for if they are large."""
    scope = f"secretSyncs of {parent}"
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    size, (after,) = request.open(scope, [""], violations)
    project = lookups.project(tx, "parent", parent)
    found = tx.syncs.list(project.uid, str(after), size + 1)
    size = fitting(found, size, lambda each: [json.dumps(each.destination_config)])
    return close_page(found, size, scope, lambda each: [each.slug])


def update_secret_sync(
    app: App, tx: Transaction, name: str, etag: str, before: SyncSettings, proved: ProvedSettings
) -> SecretSync:
    """Change a sync to proved settings, and queue a run if the destination may have to follow.

    Args:
        app: the parts to work with.
        tx: the transaction.
        name: the sync's name.
        etag: the etag that it must have; empty for any.
        before: the settings that the changes were applied to.
        proved: the settings with the changes.
    """
    sync = lookups.secret_sync(tx, "secret_sync.name", name)
    check_etag(sync, etag)
    if settings_of(sync) != before:
        # Somebody else changed it while the destination was being asked.
        raise Problem(
            Code.ABORTED,
            Reason.ETAG_MISMATCH,
            f"{name} was changed meanwhile: read it again and decide anew",
            metadata={"resource": name},
        )
    if proved.settings == before:
        return sync
    resolved = resolve(tx, f"projects/{sync.project}", proved.settings, before)
    target_key = sync.target_key
    if proved.is_elsewhere:
        target_key = _target_key(app, tx, resolved.connection, proved.settings)
    led = sync
    if target_key != sync.target_key:
        connection = tx.connections.by_uid(sync.connection_uid) or resolved.connection
        led = replace(sync, options=proved.settings.options)
        led = move(app, tx, led, connection, target_key, "this change leads")
    changed = replace(
        led,
        version=sync.version + 1,
        update_time=app.clock(),
        **_fields(resolved, proved.settings),
    )
    changed = keep_times(changed, sync, changed.update_time)
    tx.syncs.update(changed)
    if changed.options.require_approval and not sync.options.require_approval:
        require_asking(tx, changed)
    end_forbidden(tx, changed, app.clock())
    waiting = tx.runs.pending(changed.uid)
    if waiting and not changed.is_enabled:
        end_disabled(tx, waiting, app.clock())
    if _without_effect(proved.settings, before) != before:
        queue_sync(app, tx, changed, RunTrigger.UPDATE)
    return changed


def _without_effect(settings: SyncSettings, before: SyncSettings) -> SyncSettings:
    """Return settings with those as before that say nothing of what the destination holds."""
    options = replace(
        settings.options,
        drift_policy=before.options.drift_policy,
        drift_interval=before.options.drift_interval,
    )
    return replace(
        settings, description=before.description, schedule=before.schedule, options=options
    )
