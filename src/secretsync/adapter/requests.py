"""The request object of each hook: frozen, so that hooks can grow without breaking authors."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import httpx

from secretsync.adapter.ledger import LedgerEntry
from secretsync.adapter.results import PlanResult
from secretsync.adapter.secret_value import SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSecret:
    """One secret as the destination is to hold it.

    Attributes:
        key: the secret key at the source.
        name: the name at the destination: the key schema is already applied.
        value: the value, any unicode up to 64 KiB of UTF-8, possibly empty.
        comment: the secret's comment, empty if it has none.
    """

    key: str
    name: str
    value: SecretValue
    comment: str = ""


class RecordIntent(Protocol):
    """Makes durable what a write is about to do; see `RunRequest.record_intent`."""

    async def __call__(
        self,
        entries: Sequence[LedgerEntry],
        based_on: str | None = None,
        *,
        failed: str | None = None,
    ) -> None:
        """Record the intents of a write.

        Args:
            entries: the intents, in place of those that this attempt recorded before; and
                confirmed entries of what earlier intents turned out to have led to, which go into
                the ledger at once.
            based_on: the destination's version that the write is based on; None if it has no
                versions, or if no write follows.
            failed: the version that a write was based on which the destination refused for
                certain, or which was not seen to take place in its time; None otherwise.
        """
        ...


async def _agree(_plan: PlanResult) -> None:
    """Let a run do whatever it is about to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRequest:
    """What every request carries.

    Attributes:
        credentials: an instance of the connection method's credential model.
        http: a pooled client with time limits set and redirects off. A request waits while the
            destination asks the connection for fewer, and raises `RateLimited` if that takes too
            long. It is the engine's: adapters do not close it and build no transports of their own.
        clock: returns the present time, with time zone UTC.
        logger: bound to the sync and run. Secret values and credentials must not be logged.
    """

    credentials: Any
    http: httpx.AsyncClient
    clock: Callable[[], datetime]
    logger: logging.LoggerAdapter[logging.Logger]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateRequest(AdapterRequest):
    """Asks for proof that credentials, and the configuration if there is one, work.

    Attributes:
        config: an instance of the destination's config model; None when a connection is proved.
    """

    config: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest(AdapterRequest):
    """What `sync` and `remove` have in common.

    Attributes:
        config: an instance of the destination's config model.
        ledger: what this sync put there so far, intents included.
        claimed_by_others: identity to sync name, for what other syncs put into the same target.
            These must be neither overwritten nor deleted.
        known_versions: versions of the destination at which it is certain that every entry of the
            ledger whose `version` is not None still holds the value it was given, because every
            change since was made by this service. At any other version, and of any other entry,
            the value may have been changed by somebody else.
        written_from: versions of the destination that writes of this service were based on, of
            whatever sync, and that are not known to have failed, whether they took place or not;
            to the seconds that had passed since the last such write was about to be sent when this
            attempt began. A version that is not among them was left behind by somebody else.
        digest: (identity, value) to a keyed digest for `LedgerEntry.digest`.
        record_intent: to be awaited directly before a write, with an unconfirmed entry for each
            thing that the write creates or deletes (possibly none), and a confirmed one for
            whatever earlier intents turned out to have led to. It makes them durable, the
            unconfirmed ones in place of those that this attempt recorded before, so that nothing
            is forgotten if the process dies, and it raises if this run has lost its lease: then
            the write must not happen. If the destination refuses the write for certain, record
            what is left of them (possibly none) and say so with `failed`: an intent that stays
            behind could make somebody else's work look like this run's.
        report_progress: (step, done, total) for people who watch; done and total count keys.
        confirm_plan: to be awaited by a destination with the capability `plan` as soon as it knows
            what the run is to do, and has read all that this follows from: with that, told as the
            hook `plan` tells it. Again each time that it has to begin anew, and also if there is
            nothing to do. It raises if the run must not do that: because of a guard, or because it
            is not what was approved. Then nothing must be written.
    """

    config: Any
    ledger: tuple[LedgerEntry, ...]
    claimed_by_others: Mapping[str, str] = field(default_factory=dict)
    known_versions: frozenset[str] = frozenset()
    written_from: Mapping[str, float] = field(default_factory=dict)
    digest: Callable[[str, SecretValue], str]
    record_intent: RecordIntent
    report_progress: Callable[[str, int, int], None]
    confirm_plan: Callable[[PlanResult], Awaitable[None]] = field(default=_agree)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest(RunRequest):
    """Asks that the destination hold exactly the desired secrets, as far as they are ours.

    Attributes:
        desired: what the destination is to hold; names are unique after `name_identity`.
        delete_missing: whether what the ledger lists and `desired` does not is to be deleted.
        claims: tells of a name at the destination whether this sync may delete a secret of that
            name although the ledger does not list it. Always False except on the first run of a
            sync that overwrites the destination and has a key schema. Implies `delete_missing`.
    """

    desired: tuple[DesiredSecret, ...]
    delete_missing: bool = True
    claims: Callable[[str], bool] = field(default=lambda _: False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest(RunRequest):
    """Asks that everything that the ledger lists, and nothing else, be taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Asks what a run would do, without any of it being done.

    Checks for drift ask it too. They compare what `digest` returned for an identity with the
    ledger: if a sync would write although the two are the same, it is the destination that has
    changed. So a plan of a sync is to call `digest` with what would be written, for every key that
    is desired.

    Attributes:
        run: what that run would be given if it began now. Its `record_intent` raises: nothing may
            be written, neither to the destination nor to the ledger.
    """

    run: SyncRequest | RemoveRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverRequest(AdapterRequest):
    """Asks for one page of choices for a configuration field.

    Attributes:
        option_list: one of the names in `DestinationInfo.option_lists`.
        parameters: values chosen before, as that list declares them, e.g. `spaceId`.
        page_size: how many options at most, 1 to 1000.
        page_token: empty for the first page, else `next_page_token` of the page before.
    """

    option_list: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    page_size: int = 50
    page_token: str = ""
