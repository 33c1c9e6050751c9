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


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResult:
    """What happened to one key at the destination, and why. Never holds a value.

    Attributes:
        key: the secret key at the source; empty if what was deleted never had one.
        name: the name at the destination.
        action: what happened.
        reason: why, for people; empty where the action says it all.
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
        keys: one result for each key that was desired, deleted or skipped.
        ledger: the new ledger in whole; it replaces the old one.
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
