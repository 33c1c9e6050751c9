"""Rules of runs that did a part of what they had to do."""

from collections.abc import Sequence

from secretsync.adapter import Action, KeyResult

CHANGED = frozenset({Action.CREATED, Action.UPDATED, Action.DELETED})
NAMED = 3
"""How many of the keys that failed a message names."""


def failed(keys: Sequence[KeyResult]) -> list[KeyResult]:
    """Return the keys that failed."""
    return [each for each in keys if each.action is Action.FAILED]


def has_changed(keys: Sequence[KeyResult]) -> bool:
    """Tell whether anything was written or deleted."""
    return any(each.action in CHANGED for each in keys)


def joined(earlier: Sequence[KeyResult], later: Sequence[KeyResult]) -> tuple[KeyResult, ...]:
    """Return what several attempts of one run have done in all.

    An attempt finds unchanged what an earlier one has written, and does not speak any more of what
    an earlier one has deleted; of the run it is true all the same.

    Args:
        earlier: the results of the attempts before.
        later: the results of the last one.
    """
    done = {(each.name, each.key): each for each in earlier if each.action in CHANGED}
    told = []
    for each in later:
        before = done.pop((each.name, each.key), None)
        told.append(before if before and each.action is Action.UNCHANGED else each)
    return tuple(sorted([*told, *done.values()], key=lambda each: (each.name, each.key)))


def told_of_failed(keys: Sequence[KeyResult]) -> str:
    """Return which keys failed and why, for people: the first few."""
    those = failed(keys)
    shown = "; ".join(f"{each.name}: {each.reason or 'no reason given'}" for each in those[:NAMED])
    more = f"; and {len(those) - NAMED} more" if len(those) > NAMED else ""
    return f"{len(those)} failed: {shown}{more}"
