"""Guards: what keeps a run from deleting more than anybody can have meant."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from secretsync.adapter import ChangeKind, PlannedChange

DEFAULT_PERCENT = 50
DEFAULT_FREE = 5
"""By default a run may delete up to so many secrets, whatever their share."""

PERCENT_OF_ALL = 100
_HELD = frozenset({ChangeKind.UPDATE, ChangeKind.ADOPT, ChangeKind.CONVERT, ChangeKind.UNCHANGED})
_STAYS = _HELD | {ChangeKind.CREATE}
_THERE = _HELD | {ChangeKind.DELETE}
"""What is left alone counts in neither: it may be gone, or somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxDeletions:
    """How much one sync run may delete; at most one of the two is set.

    Attributes:
        count: secrets.
        percent: share of what the run finds at the destination of its own, 0 to 100.

    With neither, a run may delete `DEFAULT_PERCENT` percent, and `DEFAULT_FREE` secrets in any
    case.
    """

    count: int | None = None
    percent: int | None = None

    def allows(self, deletions: int, present: int) -> bool:
        """Tell whether a run may delete so much.

        Args:
            deletions: how many secrets it would delete.
            present: how many it finds at the destination, those included.
        """
        if self.count is not None:
            return deletions <= self.count
        if self.percent is not None:
            return deletions * 100 <= self.percent * present
        return deletions <= DEFAULT_FREE or deletions * 100 <= DEFAULT_PERCENT * present

    def __str__(self) -> str:
        """Return it for people."""
        if self.count is not None:
            return str(self.count)
        if self.percent is not None:
            return f"{self.percent} %"
        return f"{DEFAULT_PERCENT} %, or {DEFAULT_FREE} if that is more"


def complaint(limit: MaxDeletions) -> str | None:
    """Return what is wrong with a limit, or None."""
    if limit.count is not None and limit.count < 0:
        return "count must be 0 or more; 0 allows none"
    if limit.percent is not None and not 0 <= limit.percent <= PERCENT_OF_ALL:
        return f"percent must be between 0 and {PERCENT_OF_ALL}, which allows all"
    return None


def deletions_of(changes: Sequence[PlannedChange]) -> list[PlannedChange]:
    """Return the changes that take a secret away from the destination.

    A key that gets another name is not among them: its secret stays, under the new name.
    """
    kept = {change.key for change in changes if change.kind in _STAYS} - {""}
    return [
        change for change in changes if change.kind is ChangeKind.DELETE and change.key not in kept
    ]


def trip(
    changes: Sequence[PlannedChange],
    limit: MaxDeletions,
    *,
    desired: int,
    source_missing: str = "",
) -> str:
    """Return why a sync run must not do what it is about to, or an empty text.

    Args:
        changes: all that it is about to do.
        limit: how much it may delete.
        desired: how many secrets the source holds.
        source_missing: the source folder, if it does not exist any more.
    """
    count = len(deletions_of(changes))
    if source_missing:
        return f"the source folder {source_missing} does not exist, and {_told(count)} be deleted"
    if not count:
        return ""
    if not desired:
        return f"the source is empty, and {_told(count)} be deleted"
    present = sum(change.kind in _THERE for change in changes)
    if limit.allows(count, present):
        return ""
    return f"{_told(count)} be deleted of {present}, which is more than max_deletions ({limit})"


def trip_clean_up(
    changes: Sequence[PlannedChange], limit: MaxDeletions, held: Collection[str]
) -> str:
    """Return why a former place must not be cleaned by itself, or an empty text.

    A secret that the sync holds at its present place is not lost: it was led there with the sync.
    Without this, a move would let through what a guard has stopped at the place before.

    Args:
        changes: all that is about to be done at the former place.
        limit: how much may be lost.
        held: keys that the sync holds at its present place.
    """
    count = sum(change.key not in held for change in deletions_of(changes))
    if not count:
        return ""
    if not held:
        return f"the sync has nothing at its present place, and {_told(count)} be deleted"
    present = sum(change.kind in _THERE for change in changes)
    if limit.allows(count, present):
        return ""
    return (
        f"{_told(count)} be deleted of {present} and are not at the sync's present place, which is"
        f" more than max_deletions ({limit})"
    )


def _told(count: int) -> str:
    return f"{count} secret{'' if count == 1 else 's'} would"
