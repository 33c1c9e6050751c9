"""Finds the syncs that write, or could come to write, what another one writes."""

from collections.abc import Iterable

from secretsync.domain import names
from secretsync.domain.entities import SecretSync
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.overlaps import (
    Overlap,
    OverlapFinder,
    Side,
    check_policy,
    warnings_of,
    worst_first,
)
from secretsync.domain.problems import Problem, Violations
from secretsync.domain.resolution import resolve_source
from secretsync.engine.source import source_view
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.sync_settings import SyncSettings, check_config, check_plain
from secretsync.operations.syncs import new_secret_sync
from secretsync.store.protocol import Transaction


def check_existing(app: App, tx: Transaction, name: str) -> list[Overlap]:
    """Return how other syncs overlap one that exists, the worst first."""
    return overlaps_of(app, tx, lookups.secret_sync(tx, "name", name))


def check_new(
    app: App, tx: Transaction, parent: str, settings: SyncSettings, violations: Violations
) -> list[Overlap]:
    """Return how syncs would overlap one with these settings, the worst first.

    Args:
        app: the parts to work with.
        tx: the transaction, in which nothing is changed.
        parent: name of the project.
        settings: the settings.
        violations: what is wrong with the rest of the request.
    """
    names.PROJECT.check("parent", parent, violations)
    check_plain(parent, settings, violations)
    check_config(app, tx, settings, violations)
    violations.raise_if_any()
    return overlaps_of(app, tx, new_secret_sync(app, tx, parent, "", settings))


def check_saved(
    app: App, tx: Transaction, sync: SecretSync, before: SyncSettings | None, after: SyncSettings
) -> tuple[str, ...]:
    """Return warnings of how other syncs overlap one that was just saved.

    Args:
        app: the parts to work with.
        tx: the transaction that saved it.
        sync: the sync as it is now.
        before: the settings that it had; None if it is new.
        after: the settings that it has now.

    Raises:
        Problem: SYNC_OVERLAP, if its policy refuses them. What does not bring it closer to others,
            such as disabling it, is not refused.
    """
    found = overlaps_of(app, tx, sync)
    enabled = after.is_enabled and before is not None and not before.is_enabled
    if before is None or enabled or _reach(before) != _reach(after):
        check_policy(sync.options.overlap_policy, found)
    return warnings_of(found)


def _reach(settings: SyncSettings) -> tuple[object, ...]:
    """Return what decides about overlaps, the policy included."""
    return (
        settings.connection,
        settings.destination_config,
        settings.environment,
        settings.secret_path,
        settings.recursive,
        settings.options.key_schema,
        settings.options.overlap_policy,
    )


def overlaps_of(app: App, tx: Transaction, sync: SecretSync) -> list[Overlap]:
    """Return how other syncs, of any project, overlap a sync, the worst first.

    Args:
        app: the parts to work with.
        tx: a view of the store.
        sync: the sync, which needs not be stored.
    """
    side = _side(app, tx, sync)
    if side.config is None:
        return []
    finder = OverlapFinder(app.registry.get(sync.destination).info, side)
    others = (
        each
        for each in tx.syncs.at_target(sync.target_key)
        if each.uid != sync.uid and each.destination == sync.destination
    )
    found = (finder.find(_side(app, tx, each)) for each in others)
    return worst_first(each for each in found if each)


def _side(app: App, tx: Transaction, sync: SecretSync) -> Side:
    violations = Violations()
    config = app.registry.parse_config(
        sync.destination, sync.destination_config, "destination_config", violations
    )
    return Side(
        name=sync.name,
        is_enabled=sync.is_enabled,
        config=config,
        schema=KeySchema(sync.options.key_schema, sync.environment),
        load_keys=lambda: _keys(tx, sync),
        ledger=tx.ledger.of_sync(sync.uid),
    )


def _keys(tx: Transaction, sync: SecretSync) -> Iterable[str]:
    """Return the keys of a sync's source; none if it cannot be resolved, as its runs tell."""
    try:
        view = source_view(tx, sync.project_uid)
        return resolve_source(view, sync.source, recursive=sync.recursive).keys()
    except Problem:
        return ()
