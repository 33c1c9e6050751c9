"""What is known of each key of a sync at its destination, and how a run's results change it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from secretsync.adapter import KeyResult


class KeyState(StrEnum):
    """How a key stands at the destination."""

    SYNCED = "synced"
    """A run has seen to it that the destination holds what the source held then."""
    SKIPPED = "skipped"
    """The last run that looked at it left it alone."""
    FAILED = "failed"
    """The last run that looked at it could not do what it should."""
    DRIFTED = "drifted"
    """It was synced, and the destination has changed, or may have, since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncKey:
    """One key of a sync at its destination. Never holds a value.

    Attributes:
        name: the name at the destination, which tells it apart within its sync.
        key: the key at the source; empty if the source never had it.
        state: how it stands.
        reason: why, for people; empty where the state says it all.
        state_time: since when it has been in this state.
        change_time: when this sync last wrote it at the destination; None if it never has.
        error: what last failed for it; empty if nothing ever did.
        error_time: when that was.
        run_uid: the run that last changed anything of this.
    """

    name: str
    key: str
    state: KeyState
    reason: str = ""
    state_time: datetime
    change_time: datetime | None = None
    error: str = ""
    error_time: datetime | None = None
    run_uid: str


_STATES: Final[Mapping[str, KeyState]] = {
    "created": KeyState.SYNCED,
    "updated": KeyState.SYNCED,
    "unchanged": KeyState.SYNCED,
    "skipped": KeyState.SKIPPED,
    "failed": KeyState.FAILED,
}
"""The state that each action leads to; a deleted key has none."""
_WRITTEN = frozenset({"created", "updated"})
_NEWS = _WRITTEN | {"failed"}
"""The actions whose time is remembered each time."""
_PRECEDENCE = {
    action: place
    for place, action in enumerate(
        ("deleted", "skipped", "unchanged", "created", "updated", "failed")
    )
}
"""Which counts if a run has several results of one name, as after a change of scope: the last."""


def after_run(
    before: Mapping[str, SyncKey], results: Iterable[KeyResult], run_uid: str, now: datetime
) -> dict[str, SyncKey]:
    """Return the keys of a sync as they stand after a run, by name.

    What the run has no result of is not the sync's any more. A key about which there is nothing new
    is the very object that was there before.

    Args:
        before: the keys as they stood, by name.
        results: what the run did.
        run_uid: the run.
        now: when it ended.
    """
    after: dict[str, SyncKey] = {}
    for result in sorted(results, key=lambda each: _PRECEDENCE[each.action]):
        state = _STATES.get(result.action)
        if state is not None:
            known = before.get(result.name)
            after[result.name] = _after_result(known, result, state, run_uid, now)
    return after


def _after_result(
    known: SyncKey | None, result: KeyResult, state: KeyState, run_uid: str, now: datetime
) -> SyncKey:
    reason = "" if state is KeyState.SYNCED else result.reason
    if (
        known is not None
        and (known.state, known.reason, known.key) == (state, reason, result.key)
        and result.action not in _NEWS
    ):
        return known
    base = known or SyncKey(
        name=result.name, key=result.key, state=state, state_time=now, run_uid=run_uid
    )
    changed = replace(in_state(base, state, reason, now), key=result.key)
    if result.action in _WRITTEN:
        changed = replace(changed, change_time=now)
    if state is KeyState.FAILED:
        changed = replace(changed, error=reason, error_time=now)
    return replace(changed, run_uid=run_uid)


def in_state(known: SyncKey, state: KeyState, reason: str, now: datetime) -> SyncKey:
    """Return a key in a state; the time stays if it has been in it before."""
    since = known.state_time if known.state is state else now
    return replace(known, state=state, reason=reason, state_time=since)
