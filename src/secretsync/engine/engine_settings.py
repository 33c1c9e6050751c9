"""How the embedded engine works."""

from dataclasses import dataclass, field

from secretsync.domain.runs import HistoryPolicy, RetryPolicy
from secretsync.domain.watching import EventPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the embedded engine works.

    Attributes:
        max_runs: runs at a time in all.
        max_runs_per_connection: runs at a time for one connection.
        lease: seconds that a claim holds without a heartbeat; a heartbeat comes at a third of it.
        poll: seconds after which it looks at the queue even if nobody woke it.
        change_interval: seconds at least between the beginnings of two runs of one sync that follow
            from changes.
        attempt_timeout: seconds that one attempt may take.
        retry: when to try again.
        history: which ended runs are kept.
        events: which events are kept for watchers.
        prune_interval: seconds between two prunings of the history.
    """

    max_runs: int = 100
    max_runs_per_connection: int = 5
    lease: float = 60.0
    poll: float = 1.0
    change_interval: float = 1.0
    attempt_timeout: float = 900.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    history: HistoryPolicy = field(default_factory=HistoryPolicy)
    events: EventPolicy = field(default_factory=EventPolicy)
    prune_interval: float = 3600.0
