"""Former places of syncs: cleaned at once when somebody asks, and forgotten if they must be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from secretsync.domain import names
from secretsync.domain.entities import RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.former_places import FormerPlace, why_kept
from secretsync.domain.problems import Code, Problem, Reason, in_use, not_found
from secretsync.engine.unwanted import end_waiting
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.store.protocol import Transaction

MAX_NAMES = 20
"""How many names of what may still be there are shown of each place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceStatus:
    """A former place as people see it.

    Attributes:
        place: the place.
        count: how many names may still be there.
        names: the first of them, in ascending order.
        last_run: its newest run; None if there was none, or if its history was pruned.
        message: why it is not clean yet, for people.
        error_reason: why its last clean-up failed; None if it did not.
        next_attempt_time: when it is cleaned next; None if nothing is queued.
    """

    place: FormerPlace
    count: int
    names: Sequence[str]
    last_run: SyncRun | None
    message: str
    error_reason: Reason | None
    next_attempt_time: datetime | None


def statuses(tx: Transaction, syncs: Sequence[SecretSync]) -> Mapping[str, Sequence[PlaceStatus]]:
    """Return the former places of syncs, by the syncs' uids, the one that was left first first."""
    by_uid = {sync.uid: sync for sync in syncs}
    found: dict[str, list[PlaceStatus]] = {}
    for place in tx.former_places.of_syncs(list(by_uid)):
        found.setdefault(place.sync_uid, []).append(_status(tx, by_uid[place.sync_uid], place))
    return found


def _status(tx: Transaction, sync: SecretSync, place: FormerPlace) -> PlaceStatus:
    count, first = tx.former_places.left(place.uid, MAX_NAMES)
    run = tx.runs.latest_at(place.uid)
    waits = run is not None and run.state is RunState.PENDING
    message = run.message if run else ""
    if run is None or run.state is RunState.FAILED:
        message = why_kept(sync) or message
    return PlaceStatus(
        place=place,
        count=count,
        names=first,
        last_run=run,
        message=message,
        error_reason=run.error_reason if run else None,
        next_attempt_time=run.not_before if run and waits else None,
    )


def clean_up(app: App, tx: Transaction, name: str) -> Sequence[SyncRun]:
    """Queue the clean-up of all former places of a sync, due at once, whatever its settings."""
    sync = lookups.secret_sync(tx, "name", name)
    return [
        app.engine.clean_up(tx, sync, place, RunTrigger.MANUAL)
        for place in tx.former_places.of_syncs([sync.uid])
    ]


def forget(app: App, tx: Transaction, name: str, *, leave_secrets_behind: bool) -> SecretSync:
    """Forget a former place, and return its sync; what is still there stays there for good.

    Raises:
        Problem: FAILED_PRECONDITION: SECRETS_LEFT_BEHIND, if that is not what the caller says;
            RESOURCE_IN_USE, if it is just being cleaned.
    """
    project, slug, uid = lookups.parse(names.FORMER_PLACE, "name", name)
    sync = lookups.secret_sync(tx, "name", f"projects/{project}/secretSyncs/{slug}")
    place = tx.former_places.by_uid(uid)
    if place is None or place.sync_uid != sync.uid:
        raise not_found(name)
    if not leave_secrets_behind:
        count, first = tx.former_places.left(uid, MAX_NAMES)
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.SECRETS_LEFT_BEHIND,
            f"{count} secret(s) may still be at {place.describe()}, among them {', '.join(first)}:"
            " nobody would delete them any more. Set leave_secrets_behind if that is what you want",
            metadata={"resource": name},
        )
    running, waiting = tx.runs.running(sync.uid, uid), tx.runs.pending(sync.uid, uid)
    user = running or (waiting if waiting and waiting.delete_sync else None)
    if user:
        raise in_use(name, f"{user.name} is to clean it: cancel that run first", [user.name])
    if waiting:
        told = "somebody has forgotten this former place"
        end_waiting(tx, waiting, Reason.SUPERSEDED, told, app.clock())
    tx.former_places.delete(uid)
    return sync
