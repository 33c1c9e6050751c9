"""What a ledger must list after a run, as docs/explanation/ownership.md says it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from octopus_rules import Attempt, Effect, Entry, Identity, Json, Memory


@dataclass
class Expectation:
    """What the ledger of a sync may look like.

    Attributes:
        certain: what it must list: the row's id per identity.
        possible: what it may list besides.
        told: names, folded, of what must be reported as skipped.
        seen: what was met on the way, for statistics.
    """

    certain: dict[Identity, str] = field(default_factory=dict)
    possible: dict[Identity, set[str]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)


def expectation_of(attempt: Attempt, effect: Effect, base: list[Json]) -> Expectation:
    """Return what the ledger may look like after a run that succeeded.

    Args:
        attempt: what the run was to do, with the memory from before it.
        effect: what it came to.
        base: the rows that the last plan was made for.
    """
    memory = attempt.memory
    rows = {row["Id"]: row for row in base}
    expected = Expectation(certain=dict(effect.kept))
    for made_by in (memory.unsettled, memory.perhaps):
        for row_id, made in made_by.items():
            expected.possible.setdefault(made, set()).add(row_id)
            row = rows.get(row_id)
            if row is None or row_id in effect.deleted or not _is_told_of(attempt, row, made):
                continue
            if made_by is memory.unsettled:
                expected.told.add(made[0])
    for made, entry in memory.mine.items():
        if made not in effect.kept:
            _add_leftover(expected, attempt, effect, made, entry, rows.get(entry.row_id))
    return expected


def _is_told_of(attempt: Attempt, row: Json, made: Identity) -> bool:
    """Tell whether a run must say that it leaves a row of an unsettled write alone."""
    entry = attempt.memory.mine.get(made)
    return (
        made not in attempt.wanted
        and made not in attempt.others
        and attempt.may_be_ours(row)
        and entry is None
    )


def _add_leftover(
    expected: Expectation,
    attempt: Attempt,
    effect: Effect,
    made: Identity,
    entry: Entry,
    row: Json | None,
) -> None:
    """Note what becomes of an entry whose variable is not wanted any more."""
    is_blurred = made in expected.possible or entry.row_id in attempt.memory.ghosts
    if row is None:
        expected.seen["remembered, because it is gone or hidden"] += 1
    elif not attempt.is_ours(row) or made in attempt.others:
        expected.seen["left to others"] += 1
        if not is_blurred:
            expected.told.add(entry.name.upper())
        return
    elif row["Id"] in effect.deleted:
        return
    if is_blurred:
        expected.possible.setdefault(made, set()).add(entry.row_id)
    else:
        expected.certain[made] = entry.row_id
        expected.told.add(entry.name.upper())


def check_ledger(
    expected: Expectation, listed: Mapping[Identity, Entry], skipped: Collection[str]
) -> None:
    """Check what a ledger lists, and what was reported as skipped.

    Args:
        expected: what both may be.
        listed: the confirmed entries.
        skipped: names that were reported as skipped.
    """
    found = {made: entry.row_id for made, entry in listed.items()}
    assert {made: found.get(made) for made in expected.certain} == expected.certain
    for made, row_id in found.items():
        is_possible = row_id in expected.possible.get(made, ())
        assert made in expected.certain or is_possible, f"the ledger claims {made}"
    missing = {name.upper() for name in expected.told} - {name.upper() for name in skipped}
    assert not missing, f"the run does not tell that it left {missing}"


def check_untouched(memory: Memory, listed: Mapping[Identity, Entry]) -> None:
    """Check that a run without a result took nothing out of the ledger.

    It may have put in what an earlier write certainly created.
    """
    assert listed.keys() >= memory.mine.keys(), "a run without a result forgot something"
    for made, entry in listed.items():
        known = memory.mine.get(made)
        is_known = known is not None and known.row_id == entry.row_id
        is_made = memory.unsettled.get(entry.row_id) == made
        is_taken = memory.perhaps.get(entry.row_id) == made
        assert is_known or is_made or is_taken, f"a run without a result claims {made}"
