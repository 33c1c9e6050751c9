"""What came of one attempt, as the runner tells it to whoever writes it down."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from secretsync.adapter import RunResult
from secretsync.domain.entities import HttpRequest, RunOutcome
from secretsync.domain.plans import SyncPlan
from secretsync.domain.problems import Problem, Reason
from secretsync.engine.checks import Findings

MAX_TEXT = 8000
"""Characters of a message or warning that are kept. gRPC clients take answers of 4 MiB."""
MAX_WARNINGS = 100
READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class RunReport:
    """What came of one attempt.

    Attributes:
        result: what the adapter did; None if it failed.
        findings: what a check has found out; None if it failed, and of other runs.
        problem: why it failed; None if it did not.
        transient: whether another attempt may pass.
        write_announced: whether a write was announced, so that one may have taken place.
        held: why no write may begin now, if one was refused because of that: the run waits, and its
            attempt does not count. None otherwise.
        plan: what the attempt was about to do when it was stopped; None if it was not.
        unsent: whether it failed only because its connection may not send, before it sent anything.
        target_key: names the document that the attempt was about; empty if it did not get so far.
        http_requests: the requests that were made, in order, in either case.
    """

    result: RunResult | None = None
    findings: Findings | None = None
    problem: Problem | None = None
    transient: bool = False
    write_announced: bool = False
    held: Problem | None = None
    plan: SyncPlan | None = None
    unsent: bool = False
    target_key: str = ""
    http_requests: list[HttpRequest] = field(default_factory=list)

    @property
    def may_have_written(self) -> bool:
        """Whether a write may have been sent."""
        return self.write_announced or any(
            request.method not in READING for request in self.http_requests
        )

    @property
    def awaits_approval(self) -> bool:
        """Whether it was stopped because its plan has to be approved first."""
        return self.problem is not None and self.problem.reason is Reason.APPROVAL_REQUIRED

    def outcome(self) -> RunOutcome:
        """Return what is kept in the run's history."""
        requests = tuple(self.http_requests)
        if self.result is None:
            return RunOutcome(http_requests=requests)
        return RunOutcome(
            keys=tuple(sorted(self.result.keys, key=lambda each: (each.name, each.key))),
            counts=Counter(each.action for each in self.result.keys),
            warnings=bounded(self.result.warnings),
            http_requests=requests,
        )


def bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return warnings as they are kept: a destination may have had its say in them."""
    left = len(warnings) - MAX_WARNINGS
    more = [f"There are {left} more warnings."] if left > 0 else []
    return (*(shortened(each) for each in warnings[:MAX_WARNINGS]), *more)


def shortened(text: str) -> str:
    """Return a text for people as it is kept, cut off if it is longer than `MAX_TEXT`."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
