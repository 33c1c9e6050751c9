"""Which other syncs write, or could come to write, what one sync writes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from secretsync.adapter import DestinationInfo, LedgerEntry
from secretsync.domain.entities import OverlapPolicy
from secretsync.domain.key_schema import KeySchema, can_collide
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.texts import MAX_LISTED, listed

_PROBE = "A"
"""A name that every configuration has an identity of."""


class OverlapKind(StrEnum):
    """How two syncs get into each other's way, the worst first."""

    COLLISION = "collision"
    POSSIBLE = "possible"
    SCOPE = "scope"


REFUSED = {
    OverlapPolicy.WARN: frozenset[OverlapKind](),
    OverlapPolicy.REFUSE: frozenset({OverlapKind.COLLISION, OverlapKind.POSSIBLE}),
    OverlapPolicy.REFUSE_ANY: frozenset(OverlapKind),
}
"""Which kinds a policy does not let pass."""
_ORDER = list(OverlapKind)


@dataclass(frozen=True, slots=True)
class OverlapKey:
    """A name that two syncs share.

    Attributes:
        name: the name at the destination.
        key: the key of the sync that is checked.
        other_key: the key of the other sync; empty if nothing is known of it but the name.
        owner: resource name of the sync that has written it; empty if neither has, or if what the
            two write are different things.
    """

    name: str
    key: str
    other_key: str
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How another sync overlaps the one that is checked.

    Attributes:
        other: resource name of the other sync.
        other_is_enabled: whether it is enabled.
        kind: how they overlap.
        scope: where both apply, for people; empty unless the kind is `SCOPE`.
        keys: the names that they share now, in ascending order; none if the kind is `POSSIBLE`.
    """

    other: str
    other_is_enabled: bool
    kind: OverlapKind
    scope: str = ""
    keys: tuple[OverlapKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One sync as far as overlaps go.

    Attributes:
        name: its resource name.
        is_enabled: whether it is enabled.
        config: its configuration; None if the destination does not accept it any more.
        schema: makes its names.
        load_keys: returns the keys of its source, as far as that can be resolved.
        ledger: what it has written at the target that is looked at, intents included.
    """

    name: str
    is_enabled: bool
    config: Any
    schema: KeySchema
    load_keys: Callable[[], Iterable[str]]
    ledger: Sequence[LedgerEntry]


@dataclass(frozen=True, slots=True)
class _Named:
    """A key and its name."""

    key: str
    name: str


class OverlapFinder:
    """Compares one sync with others that have the same target key.

    Args:
        info: the destination.
        side: the sync that is checked; its configuration is not None.
    """

    def __init__(self, info: DestinationInfo, side: Side) -> None:
        self._info = info
        self._side = side
        wanted = _names(side)
        self._by_name = {info.name_identity(each.name): each for each in wanted}
        # What it has written and does not want any more is on its way out, and not looked at.
        self._by_identity = self._identities(side.config, wanted)
        self._owned = {each.identity: side.name for each in side.ledger}

    def find(self, other: Side) -> Overlap | None:
        """Return the worst overlap with another sync, or None.

        The other's source is read only if the keys in it can matter.
        """
        may_meet = can_collide(self._side.schema, other.schema, self._info.name_identity)
        is_same_place = self._is_same_place(other.config)
        wanted = _names(other) if may_meet and is_same_place else []
        written = {each.identity: _Named(each.key, each.name) for each in other.ledger}
        theirs = {**written, **self._identities(other.config, wanted)}
        owners = {**self._owned, **dict.fromkeys(written, other.name)}
        collisions = [
            OverlapKey(mine.name, mine.key, theirs[identity].key, owners.get(identity, ""))
            for identity, mine in self._by_identity.items()
            if identity in theirs
        ]
        if collisions:
            return _overlap(other, OverlapKind.COLLISION, collisions)
        if not may_meet or other.config is None:
            return None
        if is_same_place:
            return _overlap(other, OverlapKind.POSSIBLE)
        scope = self._info.shared_scope(self._side.config, other.config)
        shared = self._shared_names(other) if scope is not None else []
        return _overlap(other, OverlapKind.SCOPE, shared, scope or "") if shared else None

    def _is_same_place(self, config: Any) -> bool:  # noqa: ANN401
        """Tell whether one name has one identity under both configurations."""
        return config is not None and self._identity(config, _PROBE) == self._identity(
            self._side.config, _PROBE
        )

    def _identity(self, config: Any, name: str) -> str:  # noqa: ANN401
        info = self._info
        return info.identity(config, name) if info.identity else info.name_identity(name)

    def _identities(self, config: Any, wanted: Iterable[_Named]) -> dict[str, _Named]:  # noqa: ANN401
        return {self._identity(config, each.name): each for each in wanted}

    def _shared_names(self, other: Side) -> list[OverlapKey]:
        theirs = {self._info.name_identity(each.name): each for each in _names(other)}
        return [
            OverlapKey(mine.name, mine.key, theirs[folded].key)
            for folded, mine in self._by_name.items()
            if folded in theirs
        ]


def _names(side: Side) -> list[_Named]:
    return [_Named(key, side.schema.render(key)) for key in side.load_keys()]


def _overlap(
    other: Side, kind: OverlapKind, keys: Iterable[OverlapKey] = (), scope: str = ""
) -> Overlap:
    return Overlap(
        other=other.name,
        other_is_enabled=other.is_enabled,
        kind=kind,
        scope=scope,
        keys=tuple(sorted(keys, key=lambda each: (each.name, each.key))),
    )


def worst_first(overlaps: Iterable[Overlap]) -> list[Overlap]:
    """Return overlaps by kind, and those of one kind by the other sync's name."""
    return sorted(overlaps, key=lambda each: (_ORDER.index(each.kind), each.other))


def told(overlap: Overlap) -> str:
    """Return an overlap, and what follows from it, in words for people."""
    other = overlap.other if overlap.other_is_enabled else f"{overlap.other} (disabled)"
    if overlap.kind is OverlapKind.COLLISION:
        return (
            f"{other} writes the same: {_listed_names(overlap)}. Each belongs to the sync that"
            " writes it first; runs of the other one fail and change nothing. Give one of the two"
            " another scope or key schema, or take the keys out of its source"
        )
    if overlap.kind is OverlapKind.POSSIBLE:
        return (
            f"{other} writes to the same place, and the two key schemas can make one name of keys"
            " that are not there yet. Then runs of one of the two would fail. Give them key"
            " schemas with different prefixes"
        )
    return (
        f"{other} writes the same names where this sync applies too ({overlap.scope}):"
        f" {_listed_names(overlap)}. Which of the two values counts there is up to the destination"
    )


def _listed_names(overlap: Overlap) -> str:
    return listed([each.name for each in overlap.keys])


def warnings_of(overlaps: Sequence[Overlap]) -> tuple[str, ...]:
    """Return overlaps in words, one text for each, the last one for those that are too many."""
    more = len(overlaps) - MAX_LISTED
    last = [f"It overlaps {more} more syncs."] if more > 0 else []
    return (*(f"{told(each)}." for each in overlaps[:MAX_LISTED]), *last)


def check_policy(policy: OverlapPolicy, overlaps: Sequence[Overlap]) -> None:
    """Refuse what a policy does not let pass.

    Raises:
        Problem: SYNC_OVERLAP, which names the other syncs and the keys.
    """
    refused = [each for each in overlaps if each.kind in REFUSED[policy]]
    if not refused:
        return
    names = [each.name for overlap in refused for each in overlap.keys]
    raise Problem(
        Code.FAILED_PRECONDITION,
        Reason.SYNC_OVERLAP,
        "secret_sync.sync_options.overlap_policy: it refuses what other syncs write. "
        + " ".join(warnings_of(refused)),
        metadata=_metadata(refused, names),
    )


def _metadata(refused: Sequence[Overlap], names: Sequence[str]) -> Mapping[str, str]:
    return {
        "secret_syncs": listed([each.other for each in refused]),
        "keys": listed(sorted(set(names))),
    }
