"""The result object of each hook."""

from dataclasses import dataclass
from enum import StrEnum

from secretsync.adapter.ledger import LedgerEntry


class Action(StrEnum):
    """What happened to one key."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"
    """It was to be written or deleted, and could not be; another attempt may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResult:
    """What happened to one key at the destination, and why. Never holds a value.

    Attributes:
        key: the secret key at the source; empty if what was deleted never had one.
        name: the name at the destination.
        action: what happened.
        reason: why, for people; empty where the action says it all. Never empty if it failed.
    """

    key: str
    name: str
    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """The proof succeeded (a failed one raises).

    Attributes:
        summary: one line for people: as whom, at what version of the destination.
        instance: identifies the instance that was reached, the same however its address is
            spelled: an id of its own if it has one, else the normalised address. Never empty.
        warnings: what works, and still deserves a look.
    """

    summary: str
    instance: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a sync or a removal did, all of it verified by reading the destination again.

    Attributes:
        keys: one result for each key that was desired, deleted or skipped, and for each that was to
            be deleted and could not be. If some failed, the run is tried again, and has succeeded
            in part if some keep failing. An adapter that writes everything or nothing has none: it
            raises.
        ledger: the new ledger in whole; it replaces the old one. Of a key that failed it has what
            it had before, with `version` None if the value that is there now is not certain.
        version_before: the destination's version that the write was based on, None if it has none.
        version_after: its version after the write, equal to `version_before` if nothing was
            written; None if it cannot be told that only this write happened in between.
        warnings: for people; never a value.
    """

    keys: tuple[KeyResult, ...]
    ledger: tuple[LedgerEntry, ...]
    version_before: str | None = None
    version_after: str | None = None
    warnings: tuple[str, ...] = ()


class ChangeKind(StrEnum):
    """What a run would do about one key."""

    CREATE = "create"
    """Nothing of that name is there yet."""
    UPDATE = "update"
    """It is this sync's, and would be written."""
    ADOPT = "adopt"
    """A secret that this sync has not written is there; it would be overwritten and become ours."""
    CONVERT = "convert"
    """Something readable is there; it would be overwritten by a secret and become ours."""
    DELETE = "delete"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """Another sync of this service owns it."""
    BLOCKED = "blocked"
    """It cannot be touched, for the reason given, and would be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """What a run would do about one key at the destination, and why. Never holds a value.

    Attributes:
        key: the secret key at the source; empty if what would be deleted never had one.
        name: the name at the destination.
        kind: what would be done.
        reason: why, for people; empty where there is nothing to add to what the kind says.
        scope: what the secret is restricted to there, for people; empty if to nothing.
    """

    key: str
    name: str
    kind: ChangeKind
    reason: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What a run would do if it began now.

    Attributes:
        changes: one for each key that the run would give a result of, and for each key that stands
            in its way.
        warnings: what the run would warn of, as far as it can be foreseen; never a value.
        version: the destination's version that was looked at, None if it has none.
        refusal: why the run would fail and change nothing at all, whatever `changes` has besides;
            empty if it would not.
    """

    changes: tuple[PlannedChange, ...]
    warnings: tuple[str, ...] = ()
    version: str | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice for a configuration field.

    Attributes:
        id: what goes into the configuration.
        name: what people know it by.
        description: more about it, possibly empty.
    """

    id: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverResult:
    """One page of choices, in an order that does not change between pages.

    Attributes:
        options: the choices.
        next_page_token: the token of the next page, empty on the last.
    """

    options: tuple[Option, ...]
    next_page_token: str = ""
