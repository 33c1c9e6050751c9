"""Drift: what the destination holds is not what was last written there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from secretsync.adapter import ChangeKind, LedgerEntry, PlannedChange
from secretsync.domain.key_states import KeyState, SyncKey, in_state

DEFAULT_INTERVAL: Final = 3600.0
"""Seconds from one look at the destination to the next."""


class DriftPolicy(StrEnum):
    """What is done about drift, at an interval."""

    OFF = "off"
    DETECT = "detect"
    """A check reads the destination, and marks what has drifted."""
    REPAIR = "repair"
    """A sync run makes it right again."""


_REASONS: Final = {
    ChangeKind.CREATE: "it is not there any more",
    ChangeKind.UPDATE: "it may have been changed",
    ChangeKind.ADOPT: "what was written is gone, and another secret of this name is there",
    ChangeKind.CONVERT: "something that can be read has its name, so its value can be seen there",
    ChangeKind.CONFLICT: "another secret sync owns it now",
    ChangeKind.BLOCKED: "it cannot be touched any more",
}
"""What each kind of planned change says of a key that should be as it was written."""
_TOLD_BY_KIND = frozenset({ChangeKind.ADOPT, ChangeKind.CONVERT})
"""Kinds of which a plan tells what a run would do, rather than what is wrong."""
_WHATEVER_THE_VALUE = frozenset(_REASONS) - {ChangeKind.UPDATE}
"""Kinds that no change of a value at the source leads to: what was written is not there as ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A key that has drifted: its key at the source, its name at the destination, and why."""

    key: str
    name: str
    reason: str


def find_drift(
    changes: Iterable[PlannedChange], ledger: Iterable[LedgerEntry], wanted: Mapping[str, str]
) -> list[Drifted]:
    """Return the keys that a sync would write for what has changed at the destination.

    Args:
        changes: what a sync would do.
        ledger: what the sync has put there.
        wanted: the digest of what is to be there by identity. A key whose digest is not that of its
            entry in the ledger has changed at the source. That it would be updated is no drift, but
            that it is gone is.
    """
    written = {
        (entry.key, entry.name): wanted[entry.identity] == entry.digest
        for entry in ledger
        if entry.confirmed and entry.identity in wanted
    }

    def has_drifted(change: PlannedChange) -> bool:
        is_unchanged = written.get((change.key, change.name))
        if is_unchanged is None:
            return False
        return change.kind in (_REASONS if is_unchanged else _WHATEVER_THE_VALUE)

    return [
        Drifted(key=change.key, name=change.name, reason=_reason(change))
        for change in changes
        if has_drifted(change)
    ]


def _reason(change: PlannedChange) -> str:
    if change.kind in _TOLD_BY_KIND or not change.reason:
        return _REASONS[change.kind]
    return change.reason


def after_check(
    before: Mapping[str, SyncKey],
    drifted: Sequence[Drifted],
    right: Iterable[str],
    run_uid: str,
    now: datetime,
) -> dict[str, SyncKey]:
    """Return the keys of a sync as they stand after a check, by name.

    A key that had drifted before keeps the time when that was first seen. One that is right again
    is SYNCED; one of which the check can say neither stays as it was.

    Args:
        before: the keys as they stood, by name.
        drifted: those that have drifted.
        right: names of those that are as they should be.
        run_uid: the check.
        now: when it ended.
    """
    after = dict(before)
    for name in right:
        known = before.get(name)
        if known is not None and known.state is KeyState.DRIFTED:
            after[name] = replace(in_state(known, KeyState.SYNCED, "", now), run_uid=run_uid)
    for each in drifted:
        known = before.get(each.name)
        base = known or SyncKey(
            name=each.name, key=each.key, state=KeyState.DRIFTED, state_time=now, run_uid=run_uid
        )
        changed = in_state(base, KeyState.DRIFTED, each.reason, now)
        after[each.name] = base if changed == base else replace(changed, run_uid=run_uid)
    return after
