"""Checks for drift: a plan is asked for, nothing is done, and what it tells is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from secretsync.adapter import Action, ChangeKind, PlanRequest, SecretValue, SyncRequest
from secretsync.domain.drift import Drifted, after_check, find_drift
from secretsync.domain.entities import RunOutcome, RunState, RunTrigger, SyncRun
from secretsync.domain.texts import listed
from secretsync.engine.key_states import save_changes
from secretsync.engine.plan_only import refuse
from secretsync.engine.work import Work
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction

NOTHING_WRITTEN = "there is nothing to compare: this sync has nothing at the destination"
UNSETTLED = (
    "nothing was compared: the last run may have written something that is not recorded; the next"
    " sync run finds out"
)
NO_SOURCE = "nothing was compared: the source folder does not exist any more"
NO_DRIFT = "nothing has drifted"
_CHANGES = (Action.CREATED, Action.UPDATED, Action.DELETED, Action.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a check has found out.

    Attributes:
        drifted: the keys that have drifted.
        right: names of the keys that are as they should be.
        note: why nothing could be compared; empty if it could.
    """

    drifted: Sequence[Drifted] = ()
    right: frozenset[str] = frozenset()
    note: str = ""

    def told(self) -> str:
        """Return it for people."""
        if not self.drifted:
            return self.note or NO_DRIFT
        return f"{len(self.drifted)} drifted: {listed(sorted(each.name for each in self.drifted))}"


async def look_for_drift(registry: Registry, work: Work, request: SyncRequest) -> Findings:
    """Ask the adapter what a sync would do, and return what that says of what was written.

    Args:
        registry: the destinations.
        work: what a sync run that begins now would work with.
        request: what it would ask the adapter.

    Raises:
        AdapterError: what the sync would fail with.
    """
    if not any(entry.confirmed for entry in work.ledger):
        return Findings(note=NOTHING_WRITTEN)
    if work.source_missing:
        return Findings(note=NO_SOURCE)
    if not work.is_settled:
        return Findings(note=UNSETTLED)
    wanted: dict[str, str] = {}

    def digest(identity: str, value: SecretValue) -> str:
        # What is written may differ from the source's value, e.g. by escapes: the adapter knows.
        wanted[identity] = request.digest(identity, value)
        return wanted[identity]

    asked = replace(request, digest=digest, record_intent=refuse)
    result = await registry.plan(work.sync.destination, PlanRequest(run=asked))
    unchanged = (each.name for each in result.changes if each.kind is ChangeKind.UNCHANGED)
    return Findings(
        drifted=find_drift(result.changes, work.ledger, wanted), right=frozenset(unchanged)
    )


def end_check(
    tx: Transaction, run: SyncRun, findings: Findings, outcome: RunOutcome, now: datetime
) -> SyncRun:
    """Write down what a check has found out, and return the run, which has ended."""
    before = {key.name: key for key in tx.key_states.of_sync(run.sync_uid)}
    after = after_check(before, findings.drifted, findings.right, run.uid, now)
    save_changes(tx, run.sync_uid, before, after)
    ended = replace(
        run,
        state=RunState.SUCCEEDED,
        message=findings.told(),
        error_reason=None,
        finish_time=now,
        lease_until=None,
        outcome=outcome,
    )
    tx.runs.update(ended)
    forget_uneventful(tx, ended)
    return ended


def forget_uneventful(tx: Transaction, ended: SyncRun) -> None:
    """Delete the run before one that drift has triggered, if both have found the same.

    Looks at the destination every few minutes would otherwise drive everything else out of the
    history. Nobody waits for such a run; the newest one is kept.
    """
    if ended.trigger is not RunTrigger.DRIFT or ended.state is not RunState.SUCCEEDED:
        return
    if any(ended.outcome.counts.get(each) for each in _CHANGES):
        return
    for before in tx.runs.list(ended.sync_uid, ended.seq, 1):
        if (before.trigger, before.action, before.state, before.message) == (
            ended.trigger,
            ended.action,
            ended.state,
            ended.message,
        ):
            tx.runs.delete([before.uid])
