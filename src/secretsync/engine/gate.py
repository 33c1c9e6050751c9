"""Decides whether an attempt may do what it is about to: guards, and the approval of plans."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

from secretsync.adapter import (
    Capability,
    ChangeKind,
    DestinationInfo,
    PlannedChange,
    PlanResult,
)
from secretsync.domain import guards
from secretsync.domain.entities import RunAction, RunTrigger, SyncRun
from secretsync.domain.partial import has_changed
from secretsync.domain.plans import SyncPlan, explained, in_order, is_writing, moved_since
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.fingerprints import fingerprint_of
from secretsync.engine.report import RunReport, bounded, shortened
from secretsync.engine.work import Work

NOTHING_CHANGED = "nothing was changed"
PARTLY_CHANGED = "an earlier attempt of this run has done a part"
NOT_CERTAIN = "a write of this run that came to no result may have taken place"
HOW_TO_OVERRIDE = (
    "Mend the source or the sync; or, if it is meant, run the sync once with override_guards"
)
HOW_TO_CLEAN_UP = (
    "Mend the source or the sync, or lead it back; or, if it is meant, ask for the clean-up"
)
SAME_DOCUMENT = (
    "the sync holds secrets with the ids of those here at its present place, too, so that is the"
    " same place under another name, or a copy of it"
)
HOW_TO_TELL_APART = (
    "Forget the former place if it is the same; if it is another one, ask for the clean-up"
)


class UnconfirmedWriteError(Exception):
    """An adapter that makes plans was about to write without having told what."""


def guard_text(work: Work, result: PlanResult, done: str = NOTHING_CHANGED) -> str:
    """Return why a guard keeps a run from doing this, for people, or an empty text.

    Args:
        work: what the run works with.
        result: what it is about to do.
        done: what it has done so far, for people.
    """
    limit = work.sync.options.max_deletions
    if work.action is RunAction.SYNC:
        how = HOW_TO_OVERRIDE
        tripped = guards.trip(
            result.changes,
            limit,
            desired=len(work.desired),
            source_missing=work.source_missing,
        )
    elif work.action is RunAction.CLEAN_UP:
        how = HOW_TO_CLEAN_UP
        keys = frozenset(entry.key for entry in work.held_at_present)
        tripped = guards.trip_clean_up(result.changes, limit, keys)
        if work.is_found_again:
            how, tripped = HOW_TO_TELL_APART, SAME_DOCUMENT
    else:
        return ""
    return f"{tripped}. {_sentence(done)}. {how}" if tripped else ""


async def told(work: Work, result: PlanResult, *, refusal: str, now: datetime) -> SyncPlan:
    """Return a plan as it is shown and kept.

    Args:
        work: what its run works with.
        result: what the adapter says of it.
        refusal: why the run would change nothing at all; empty if it would not.
        now: the present time.
    """
    changes = in_order(result.changes)
    return SyncPlan(
        sync_name=work.sync.name,
        action=work.action,
        changes=explained(changes, is_removal=work.action is not RunAction.SYNC),
        warnings=bounded(result.warnings),
        version=result.version,
        refusal=shortened(refusal),
        # Thousands of values take a while, in which the server must answer others.
        fingerprint=await asyncio.to_thread(fingerprint_of, work, result, changes),
        plan_time=now,
    )


class Gate:
    """What stands between one attempt and the destination.

    Args:
        run: the run, as the attempt claimed it.
        work: what it works with.
        info: describes the destination.
        report: takes the plan that the attempt is stopped with.
        clock: returns the present time.
    """

    def __init__(
        self,
        run: SyncRun,
        work: Work,
        info: DestinationInfo,
        report: RunReport,
        clock: Callable[[], datetime],
    ) -> None:
        self._run = run
        self._work = work
        self._info = info
        self._report = report
        self._clock = clock
        self._makes_plans = Capability.PLAN in info.capabilities
        self._is_confirmed = False

    async def open(self) -> None:
        """Judge what can be foreseen of a destination that makes no plans.

        Raises:
            Problem: see `confirm`.
        """
        if self._makes_plans:
            return
        if self._needs_approval() or self._run.approved_fingerprint:
            raise Problem(
                Code.FAILED_PRECONDITION,
                Reason.UNSUPPORTED,
                f"{self._info.title} does not support plans, so nothing can be approved",
                metadata={"destination": self._info.name},
            )
        await self.confirm(PlanResult(changes=tuple(self._foreseen())))

    async def confirm(self, result: PlanResult) -> None:
        """Let the attempt go on, or stop it; see `RunRequest.confirm_plan`.

        Raises:
            Problem: PLAN_OUTDATED, GUARD_TRIPPED or APPROVAL_REQUIRED.
        """
        # An adapter that goes on after this one has raised must not get any further.
        self._is_confirmed = False
        if self._run.approved_fingerprint:
            await self._check_approved(result)
        tripped = guard_text(self._work, result, self._done)
        if tripped and not self._is_let_through:
            await self._attach(result, tripped)
            raise Problem(Code.FAILED_PRECONDITION, Reason.GUARD_TRIPPED, tripped)
        if self._needs_approval() and is_writing(result.changes):
            await self._attach(result, result.refusal)
            raise Problem(
                Code.FAILED_PRECONDITION,
                Reason.APPROVAL_REQUIRED,
                f"its plan waits for approval: {self._done}",
            )
        self._is_confirmed = True

    def check_confirmed(self) -> None:
        """Make sure that the attempt has told what it writes.

        Raises:
            UnconfirmedWriteError: it has not.
        """
        if not self._is_confirmed:
            raise UnconfirmedWriteError

    @property
    def _done(self) -> str:
        """What the run has done so far, for people."""
        if self._run.may_have_written or self._report.write_announced:
            return NOT_CERTAIN
        return PARTLY_CHANGED if has_changed(self._run.outcome.keys) else NOTHING_CHANGED

    @property
    def _is_let_through(self) -> bool:
        """Whether somebody means it, whatever a guard says."""
        is_clean_up = self._run.action is RunAction.CLEAN_UP
        return self._run.trigger is RunTrigger.MANUAL if is_clean_up else self._run.override_guards

    def _needs_approval(self) -> bool:
        # Clean-ups of such a sync begin only when somebody asks for them.
        return (
            self._work.sync.options.require_approval
            and not self._run.approved_fingerprint
            and self._run.action is not RunAction.CLEAN_UP
        )

    async def _check_approved(self, result: PlanResult) -> None:
        plan = await told(self._work, result, refusal=result.refusal, now=self._clock())
        moved = moved_since(self._run.approved_fingerprint, plan.fingerprint)
        if moved:
            self._report.plan = plan
            raise outdated(self._run.sync_name, moved, self._done)

    async def _attach(self, result: PlanResult, refusal: str) -> None:
        self._report.plan = await told(self._work, result, refusal=refusal, now=self._clock())

    def _foreseen(self) -> Iterator[PlannedChange]:
        """Return what follows from the ledger alone."""
        fold = self._info.name_identity
        present = {fold(entry.name) for entry in self._work.ledger if entry.confirmed}
        desired = {fold(each.name) for each in self._work.desired}
        for each in self._work.desired:
            kind = ChangeKind.UPDATE if fold(each.name) in present else ChangeKind.CREATE
            yield PlannedChange(key=each.key, name=each.name, kind=kind)
        if self._work.sync.options.disable_secret_deletion:
            return
        for entry in self._work.ledger:
            if entry.confirmed and fold(entry.name) not in desired:
                yield PlannedChange(key=entry.key, name=entry.name, kind=ChangeKind.DELETE)


def outdated(name: str, moved: tuple[str, ...], done: str = NOTHING_CHANGED) -> Problem:
    """Return the problem of an approved plan that is not what would be done any more.

    Args:
        name: the sync's resource name.
        moved: what has moved since; see `moved_since`.
        done: what the run has done so far, for people.
    """
    what = " and ".join(moved)
    return Problem(
        Code.ABORTED,
        Reason.PLAN_OUTDATED,
        f"the plan that was approved is out of date: the {what} moved since."
        f" {_sentence(done)}. Plan again, and decide anew",
        metadata={"resource": name, "moved": ", ".join(moved)},
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
