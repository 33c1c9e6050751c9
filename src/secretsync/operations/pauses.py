"""Pauses: a kill switch for one sync, for the syncs of a connection, or for everything."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secretsync.domain import names
from secretsync.domain.entities import Connection, RunState, SecretSync, SyncRun
from secretsync.domain.pauses import EVERYTHING, Pause, holding, names_holding
from secretsync.domain.problems import Violations
from secretsync.engine.ledgers import sync_of
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.paging import Page, PageRequest, close_page
from secretsync.store.protocol import Transaction


def pause_syncing(app: App, tx: Transaction, name: str, reason: str) -> Pause:
    """Pause a sync, a connection or everything; of what is paused already, change the reason."""
    violations = Violations()
    violations.check("reason", names.text_complaint(reason))
    resource = _resource(tx, name, violations)
    present = tx.pauses.named([name]).get(name)
    if present:
        pause = replace(present, reason=reason or present.reason)
    else:
        pause = Pause(
            name=name,
            sync_uid=resource.uid if isinstance(resource, SecretSync) else None,
            connection_uid=resource.uid if isinstance(resource, Connection) else None,
            reason=reason,
            create_time=app.clock(),
        )
    if pause != present:
        tx.pauses.put(pause)
    return pause


def resume_syncing(tx: Transaction, name: str) -> None:
    """End the pause of a sync, a connection or everything, if there is one."""
    _resource(tx, name, Violations())
    tx.pauses.delete(name)


def list_pauses(tx: Transaction, request: PageRequest) -> Page[Pause]:
    """Return a page of the pauses of all projects."""
    size, (after,) = request.open("pauses", [""], Violations())
    found = tx.pauses.list(str(after), size + 1)
    return close_page(found, size, "pauses", lambda each: [each.name])


def pauses_of(tx: Transaction, resource: SecretSync | Connection) -> tuple[Pause, ...]:
    """Return the pauses that hold a sync, or the syncs of a connection, the narrowest first."""
    return holding(resource, tx.pauses.named(names_holding(resource)))


def pauses_of_each(
    tx: Transaction, resources: Sequence[SecretSync | Connection]
) -> Mapping[str, tuple[Pause, ...]]:
    """Return by uid what `pauses_of` returns; with one statement, however many they are."""
    found = tx.pauses.named(name for each in resources for name in names_holding(each))
    return {each.uid: holding(each, found) for each in resources}


def pauses_of_run(tx: Transaction, run: SyncRun) -> tuple[Pause, ...]:
    """Return the pauses that keep a run from starting; none, unless it waits."""
    sync = sync_of(tx, run) if run.state is RunState.PENDING else None
    return pauses_of(tx, sync) if sync else ()


def _resource(tx: Transaction, name: str, violations: Violations) -> SecretSync | Connection | None:
    """Return what a name of a pause is of, None for everything.

    Args:
        tx: the transaction.
        name: the name.
        violations: what is wrong with the rest of the request.

    Raises:
        Problem: INVALID_ARGUMENT with all that is wrong, or NOT_FOUND.
    """
    is_sync, is_connection = names.SECRET_SYNC.parse(name), names.CONNECTION.parse(name)
    if name != EVERYTHING and not is_sync and not is_connection:
        problem = "is required" if not name else "is not a name of this kind"
        violations.add(
            "name",
            f"{problem}: write {names.SECRET_SYNC.shape} or {names.CONNECTION.shape}, each part a"
            f" slug, or `{EVERYTHING}` for everything",
        )
    violations.raise_if_any()
    if is_sync:
        return lookups.secret_sync(tx, "name", name)
    return lookups.connection(tx, "name", name) if is_connection else None
