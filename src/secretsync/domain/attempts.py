"""What is kept of each attempt of a run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from secretsync.domain.problems import Reason

KEPT_ATTEMPTS = 100
"""How many attempts of a run are kept: the newest ones."""


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CUT_SHORT = "cut-short"
    """It did not come to its end: a restart, a lost lease, or somebody who cancelled the run."""
    PARTIALLY_SUCCEEDED = "partially-succeeded"
    """Some keys failed, and it said which."""
    HELD_BACK = "held-back"
    """It sent nothing, since its connection was in a pause; or it was paused before a write."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """HTTP requests: how many, and the bytes of their bodies."""

    requests: int = 0
    request_bytes: int = 0
    response_bytes: int = 0

    def __add__(self, more: "Traffic") -> "Traffic":
        return Traffic(
            self.requests + more.requests,
            self.request_bytes + more.request_bytes,
            self.response_bytes + more.response_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAttempt:
    """One attempt of a run.

    Attributes:
        number: counts all attempts of the run from 1, those included that `SyncRun.attempt` does
            not count. It is the lease token of its claim.
        start_time: when it was claimed.
        finish_time: when it ended, or when that was noticed; None while it is under way.
        outcome: how it ended; None while it is under way.
        error_reason: why it did not succeed; None if it did, or if nobody knows.
        message: the same for people, empty if it succeeded.
        traffic: what it sent and received; nothing of one that was cut short by a restart, since
            nobody knows.
    """

    number: int
    start_time: datetime
    finish_time: datetime | None = None
    outcome: AttemptOutcome | None = None
    error_reason: Reason | None = None
    message: str = ""
    traffic: Traffic = field(default_factory=Traffic)


def traffic_of(requests: Iterable[tuple[int, int]]) -> Traffic:
    """Return the sum of requests, each given by the bytes that it sent and received."""
    total = Traffic()
    for sent, received in requests:
        total += Traffic(1, sent, received)
    return total
