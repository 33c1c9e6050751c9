"""Checks a write against docs/explanation/ownership.md: what may be overwritten and deleted.

Nothing in here is taken from the plugin: it is a second reading of the same page.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Identity = tuple[str, frozenset[tuple[str, frozenset[str]]]]
Scope = Mapping[str, list[str]]


def identity_of(name: str, scope: Scope) -> Identity:
    """Return what Octopus tells variables apart by; for names whose letters are ASCII, or not."""
    folded = "".join(char.upper() if char.isascii() else char for char in name)
    return folded, frozenset((kind, frozenset(ids)) for kind, ids in scope.items() if ids)


def identity(row: Json) -> Identity:
    """Return the identity of a row."""
    return identity_of(row["Name"], row["Scope"])


@dataclass(frozen=True)
class Wanted:
    """A variable as a secret asks for it; `value` is what Octopus is to store."""

    key: str
    name: str
    value: str
    comment: str


@dataclass
class Entry:
    """What a sync remembers of a variable: its id in Octopus, and its name."""

    row_id: str
    name: str


@dataclass
class Memory:
    """What is known of a sync's past.

    Attributes:
        mine: what its ledger lists.
        unsettled: rows by id that an accepted write created which no run came to a result of.
        ghosts: ids of rows that such a write deleted.
        unsent: of writes that a process was about to send when it died: the version that each was
            based on, and what it was to create.
        perhaps: rows by id that somebody else made, and that such a write was to create, as the
            very next change of the set.
        is_clear: whether nobody else has touched the set since the first unsettled write, and no
            other write of this sync came to nothing.
    """

    mine: dict[Identity, Entry] = field(default_factory=dict)
    unsettled: dict[str, Identity] = field(default_factory=dict)
    ghosts: set[str] = field(default_factory=set)
    unsent: list[tuple[int, frozenset[Identity]]] = field(default_factory=list)
    perhaps: dict[str, Identity] = field(default_factory=dict)
    is_clear: bool = True

    def settle(self) -> None:
        """Forget what a run that came to a result has settled."""
        self.unsettled.clear()
        self.ghosts.clear()
        self.unsent.clear()
        self.perhaps.clear()
        self.is_clear = True


@dataclass(frozen=True)
class Attempt:
    """What a run is to do, and what it may.

    Attributes:
        who: the sync's slug.
        wanted: per identity.
        scope: of everything that the sync writes.
        memory: see there.
        others: identities in the ledgers of other syncs.
        deletes: whether anything may be deleted.
        prefix: what names must begin with to be deleted by a first run; None if it deletes none.
        is_removal: whether everything is to go.
    """

    who: str
    wanted: Mapping[Identity, Wanted]
    scope: Scope
    memory: Memory
    others: frozenset[Identity]
    deletes: bool
    prefix: str | None
    is_removal: bool

    @property
    def empty_names(self) -> frozenset[str]:
        """Names whose value is to be empty."""
        return frozenset(one.name for one in self.wanted.values() if not one.value)

    def refusal(self, rows: Iterable[Json]) -> str:
        """Return why nothing may be written; empty if it may."""
        if any(one in self.others for one in self.wanted):
            return "claimed"
        odd = any(
            identity(row) in self.wanted and row["Type"] not in {"Sensitive", "String"}
            for row in rows
        )
        return "type" if odd else ""

    def is_ours(self, row: Json) -> bool:
        """Tell whether a row certainly is this sync's."""
        entry = self.memory.mine.get(identity(row))
        return entry is not None and entry.row_id == row["Id"] and row["IsSensitive"]

    def may_be_ours(self, row: Json) -> bool:
        """Tell whether a row is, or looks like, what an unsettled write created."""
        made = self.memory.unsettled.get(row["Id"]) or self.memory.perhaps.get(row["Id"])
        return made == identity(row) and row["IsSensitive"]

    def is_claimed(self, row: Json) -> bool:
        """Tell whether a first run deletes a row because of its name alone."""
        return (
            self.prefix is not None
            and self.deletes
            and row["IsSensitive"]
            and identity(row)[1] == identity_of("", self.scope)[1]
            and row["Name"].startswith(self.prefix)
            and len(row["Name"]) > len(self.prefix)
        )


@dataclass
class Effect:
    """What a write, or a run that needed none, came to.

    Attributes:
        kept: per wanted identity, the id of its row.
        deleted: ids of rows that went.
        created: rows by id that are new.
        seen: what was met on the way, for statistics.
    """

    kept: dict[Identity, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    created: dict[str, Identity] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)


def check_change(attempt: Attempt, before: list[Json], after: list[Json]) -> Effect:
    """Check that rows were changed exactly as the rules say, and return what was done.

    Args:
        attempt: on whose behalf.
        before: the rows that were there.
        after: the rows that are there now; the same if nothing was written.
    """
    assert not attempt.refusal(before), f"{attempt.who} wrote although it must not"
    effect = Effect()
    left = {row["Id"]: row for row in after}
    assert len(left) == len(after), "two rows have one id"
    groups: dict[Identity, list[Json]] = {one: [] for one in attempt.wanted}
    for row in before:
        if identity(row) in groups:
            groups[identity(row)].append(row)
        else:
            _check_unwanted(attempt, row, left.get(row["Id"]), effect)
    old = {row["Id"] for row in before}
    new = [row for row in after if row["Id"] not in old]
    for one, wish in attempt.wanted.items():
        fresh = [row for row in new if identity(row) == one]
        _check_wanted(attempt, wish, groups[one], left, fresh, effect)
    unasked = [row["Name"] for row in new if identity(row) not in attempt.wanted]
    assert not unasked, f"{attempt.who} made {unasked}"
    effect.created = {row["Id"]: identity(row) for row in new}
    effect.deleted = old - left.keys()
    stayed = [row["Id"] for row in before if row["Id"] in left]
    assert [row["Id"] for row in after if row["Id"] in old] == stayed, "rows changed places"
    return effect


def _check_unwanted(attempt: Attempt, row: Json, now: Json | None, effect: Effect) -> None:
    """Check what became of a row whose name and scope are not wanted."""
    told = f"{attempt.who}: {row['Name']} {row['Scope']}"
    if identity(row) in attempt.others:
        effect.seen["another sync's row"] += 1
    elif attempt.is_ours(row):
        effect.seen["leftover"] += 1
        if attempt.deletes:
            assert now is None, f"{told} is ours, and was not deleted"
            return
        effect.seen["leftover kept because deletion is disabled"] += 1
    elif attempt.is_claimed(row):
        effect.seen["deleted by a first run for its name"] += 1
        assert now is None, f"{told} has a name of the schema, and was not deleted"
        return
    elif attempt.may_be_ours(row) and attempt.deletes:
        is_certain = attempt.memory.is_clear and row["Id"] in attempt.memory.unsettled
        if now is None:
            theirs = row["Id"] in attempt.memory.perhaps
            effect.seen["somebody's row taken for ours" if theirs else "unsettled, deleted"] += 1
            return
        assert not is_certain, f"{told} certainly is ours, and was not deleted"
        effect.seen["unsettled, left alone"] += 1
    assert now == row, f"{told} is not this sync's, and was changed or deleted"


def _check_wanted(
    attempt: Attempt,
    wish: Wanted,
    group: list[Json],
    left: Mapping[str, Json],
    fresh: list[Json],
    effect: Effect,
) -> None:
    """Check that a wanted variable is there as wanted, made of what was there.

    Args:
        attempt: on whose behalf.
        wish: what is wanted.
        group: the rows of its identity that were there.
        left: all rows that are there now, by id.
        fresh: the new rows of its identity.
        effect: takes what is found.
    """
    told = f"{attempt.who}: {wish.name}"
    ours = [row for row in group if attempt.is_ours(row)]
    holders = [*fresh, *(left[row["Id"]] for row in group if row["Id"] in left)]
    right = sorted((row for row in holders if _holds(row, wish)), key=attempt.is_ours, reverse=True)
    assert right, f"{told} does not hold what it is to hold"
    kept = right[0]
    if not group:
        effect.seen["created"] += 1
        assert len(fresh) == 1, f"{told} was made {len(fresh)} times"
        plain = {"IsEditable": True, "Prompt": None, "Description": wish.comment or None}
        assert kept == {**kept, **plain}, f"{told} was made with other fields than a new row has"
        effect.kept[identity(kept)] = kept["Id"]
        return
    origin = next((row for row in group if row["Id"] == kept["Id"]), None)
    if origin is None:
        # An empty value can be written only by a row without id, in place of one with.
        assert not wish.value, f"{told} lost its id"
        effect.seen["emptied"] += 1
        origins = [row for row in ours or group if row["Id"] not in left]
        assert origins, f"{told} was made anew beside the one that is there"
        origin = origins[0]
    elif ours:
        assert origin in ours, f"{told} is not the row that is ours"
    _check_fields(told, origin, kept, wish)
    _note(effect, attempt, wish, group, ours)
    rest = [row for row in group if row is not origin]
    for row in rest:
        if attempt.deletes:
            assert row["Id"] not in left, f"{told} is there more than once"
        else:
            assert left.get(row["Id"]) == row, f"{told}: a copy was touched, deletion is disabled"
    assert len(fresh) <= 1, f"{told} was made {len(fresh)} times"
    effect.kept[identity(kept)] = kept["Id"]


def _holds(row: Json, wish: Wanted) -> bool:
    return (
        row["Value"] == wish.value
        and row["Name"] == wish.name
        and row["Type"] == "Sensitive"
        and row["IsSensitive"] is True
    )


def _check_fields(told: str, origin: Json, kept: Json, wish: Wanted) -> None:
    """Check that a row of somebody's, or an older one of ours, keeps whatever is not set."""
    ours = {"Id", "Name", "Value", "Type", "IsSensitive", "Description"}
    before = {name: value for name, value in origin.items() if name not in ours}
    assert {name: kept.get(name) for name in before} == before, f"{told} lost fields"
    comment = wish.comment or origin["Description"]
    assert kept["Description"] == comment, f"{told} has another description"


def _note(
    effect: Effect, attempt: Attempt, wish: Wanted, group: list[Json], ours: list[Json]
) -> None:
    if not ours:
        made = any(row["Id"] in attempt.memory.unsettled for row in group)
        kind = "unsettled, taken back" if made else "taken over"
        effect.seen[kind if group[0]["IsSensitive"] else "made sensitive"] += 1
    elif ours[0]["Name"] != wish.name:
        effect.seen["spelled anew"] += 1
    elif ours[0]["Value"] == wish.value:
        effect.seen["left as it is, or written again"] += 1
    if len(group) > 1:
        effect.seen["copies"] += 1
