"""Runs a sync or a removal: read, merge, write, read again and compare, as often as it takes."""

import asyncio
import random
from collections.abc import Callable
from typing import Generic

from secretsync.adapter import (
    Action,
    AdapterError,
    Conflict,
    RemoveRequest,
    RunResult,
    SyncRequest,
    Unavailable,
    Unsupported,
)
from secretsync_octopus_deploy import arrival
from secretsync_octopus_deploy.client import OctopusClient, UncertainWriteError
from secretsync_octopus_deploy.foresight import tell
from secretsync_octopus_deploy.git_variables import git_warnings
from secretsync_octopus_deploy.hidden import hidden_error
from secretsync_octopus_deploy.journal import Journal, Request
from secretsync_octopus_deploy.merge import plan_removal, plan_sync
from secretsync_octopus_deploy.ownership import DOUBTED, HIDDEN, Unconfirmed
from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.verify import verify

MAX_RETRIES = 5
MAX_SILENT_LOSSES = 1
"""How often a write may be missing although nobody else seems to have written. Old servers lose
simultaneous writes without a word; a server that alters what it is sent must not be sent it again
and again, because each time would leave variables behind that are not recognised."""
MAX_REPETITIONS = 1
"""How often values are written again because rows of others came back different from what was sent:
either the one change of the set was somebody else's, or the server alters what it is sent."""
FIRST_PAUSE = 0.1
"""Seconds to wait at most before the first retry; twice as many before each further one."""

_aside = asyncio.to_thread
"""Large sets take a second and more to work on, in which the server must answer others."""
_MAX_PROBLEMS_NAMED = 10
_WRITES = (Action.CREATED, Action.UPDATED, Action.DELETED)

Planner = Callable[[VariableSet, Request, Unconfirmed], Plan]


async def run_sync(request: SyncRequest) -> RunResult:
    """Make the variable set hold the desired secrets; see the hook `sync`."""
    return await _Run(request, plan_sync, len(request.desired)).run()


async def run_removal(request: RemoveRequest) -> RunResult:
    """Take away what the ledger lists; see the hook `remove`."""
    return await _Run(request, plan_removal, len(request.ledger)).run()


class _Run(Generic[Request]):
    """One run against one variable set.

    Args:
        request: what the engine asks for.
        planner: makes the plan for the set as it was read.
        key_count: how many keys the run is about.
    """

    def __init__(self, request: Request, planner: Planner[Request], key_count: int) -> None:
        self._journal = Journal(request)
        self._planner = planner
        self._key_count = key_count
        self._client = OctopusClient(request)
        self._unconfirmed = Unconfirmed()
        self._git_warnings: tuple[str, ...] | None = None
        self._silent_losses = 0
        self._repetitions = 0

    @property
    def _request(self) -> Request:
        return self._journal.request

    async def run(self) -> RunResult:
        """Write until the set is as planned; one GET, or GET, PUT, GET, are the usual course.

        Before the first write, it is asked once whether variables in Git get in the way.

        Raises:
            Conflict: others changed the set each time before the write came through.
        """
        self._request.report_progress("reading", 0, self._key_count)
        before = await self._settled(await self._read())
        await self._journal.doubt_earlier(before.version_text)
        retries = 0
        while True:
            plan = await _aside(self._planner, before, self._request, self._unconfirmed)
            await self._request.confirm_plan(await _aside(tell, plan, before))
            if not plan.is_changed:
                return self._unwritten(plan, before)
            if self._git_warnings is None:
                self._git_warnings = await git_warnings(
                    self._client, self._request.config, plan.desired_names()
                )
            try:
                return await self._write(plan, before)
            except Conflict as conflict:
                if retries == MAX_RETRIES:
                    raise
                self._request.logger.info("the set is read and merged again: %s", conflict)
            await asyncio.sleep(_pause(retries))
            retries += 1
            before = await self._read()

    async def _write(self, plan: Plan, before: VariableSet) -> RunResult:
        """Write once, and make sure of it.

        Raises:
            Conflict: the write was refused, or the set is not as planned after it.
            PermissionDenied: what was created cannot be seen.
            Unsupported: the server does not store what it is sent.
        """
        count = plan.count(_WRITES)
        self._request.report_progress("writing", 0, count)
        body = await _aside(before.render, plan.rows)
        # Between the intent and the write nothing must take time: see `arrival`.
        await self._client.prepare()
        await self._journal.record(plan.intents(before.version_text), before.version_text)
        failure, is_certain = await self._send(body, plan)
        if failure is None:
            self._request.report_progress("verifying", 0, count)
            return await self._verified(plan, before)
        if is_certain:
            # A write that certainly did not happen must not make anything ours later on.
            await self._journal.record(plan.recovered, failed=before.version_text)
        else:
            await self._look_after(failure, plan, before)
        raise failure

    async def _send(self, body: str, plan: Plan) -> tuple[AdapterError | None, bool]:
        """Send a write; return what it failed with, and whether it certainly did not take place.

        The failure is returned so that no other error has it as context.
        """
        try:
            await self._client.write_set(self._request.config, body, plan.values())
        except UncertainWriteError as lost:
            return lost.failure, False
        except Unavailable as error:
            return error, False
        except AdapterError as error:
            return error, True
        return None, True

    async def _settled(self, current: VariableSet) -> VariableSet:
        """Return the set once what a process sent a moment before it died has had its time."""
        patience = arrival.time_left(self._request, current)
        if not patience:
            return current
        self._request.report_progress("waiting for an earlier write", 0, self._key_count)
        return await arrival.change_of(current, self._read, patience) or current

    async def _look_after(self, lost: AdapterError, plan: Plan, before: VariableSet) -> None:
        """Find out what became of a write whose answer was lost.

        Values cannot be read back, so if the set has changed everything is written again on top of
        what is there now.

        Raises:
            Conflict: the set has changed.
        """
        try:
            after = await self._read()
            is_lost = after.version == before.version and not await arrival.change_of(
                before, self._read, arrival.SETTLE
            )
        except AdapterError:
            raise lost from None
        if is_lost:
            await self._doubt(plan, before)
            return
        self._remember(plan)
        raise Conflict(f"It is not certain that the write took place. {lost.message}")

    async def _doubt(self, plan: Plan, before: VariableSet) -> None:
        """Note that a write has not taken place so far; it may still be under way."""
        version = before.version_text
        await self._journal.doubt(plan.marked_intents(version, DOUBTED), version)

    async def _verified(self, plan: Plan, before: VariableSet) -> RunResult:
        """Read the set after an accepted write, and return what the run came to."""
        after = await self._read()
        verdict = await _aside(verify, before, plan, after)
        if verdict.hidden:
            marked = plan.marked_intents(before.version_text, HIDDEN, verdict.hidden)
            await self._journal.record(marked)
            raise hidden_error(list(verdict.hidden.values()), self._request.config)
        if verdict.problems:
            self._remember(plan)
            self._silent_losses += verdict.at_most_one_change
            named = "; ".join(verdict.problems[:_MAX_PROBLEMS_NAMED])
            if self._silent_losses > MAX_SILENT_LOSSES:
                if after.version <= before.version:
                    await self._doubt(plan, before)
                raise Unsupported(f"Octopus does not store what it is sent: {named}.")
            raise Conflict(f"The variable set is not as it was written: {named}.")
        # The one change may be somebody else's, and our values lost: they cannot be read back.
        if verdict.warnings and plan.overwrites_values() and self._repetitions < MAX_REPETITIONS:
            self._repetitions += 1
            self._remember(plan)
            raise Conflict(f"It is not certain that the write took place. {verdict.warnings[0]}")
        count = plan.count(_WRITES)
        self._request.report_progress("verifying", count, count)
        version = after.version_text if verdict.is_only_change else None
        return RunResult(
            keys=tuple(outcome.result for outcome in plan.outcomes),
            ledger=plan.ledger(version, verdict.ids),
            version_before=before.version_text,
            version_after=version,
            warnings=(*plan.warnings, *(self._git_warnings or ()), *verdict.warnings),
        )

    def _unwritten(self, plan: Plan, current: VariableSet) -> RunResult:
        """Return the result of a run that found nothing to write."""
        version = current.version_text if self._unconfirmed.is_empty else None
        return RunResult(
            keys=tuple(outcome.result for outcome in plan.outcomes),
            ledger=plan.ledger(version, {}),
            version_before=version,
            version_after=version,
            warnings=(*plan.warnings, *(self._git_warnings or ())),
        )

    async def _read(self) -> VariableSet:
        return await self._client.read_set(self._request.config)

    def _remember(self, plan: Plan) -> None:
        """Keep in mind what a write may have done that did not come to a result."""
        self._unconfirmed = Unconfirmed(
            created=self._unconfirmed.created | plan.created_identities(),
            deleted=self._unconfirmed.deleted | plan.deleted_ids(),
        )


def _pause(retries: int) -> float:
    # Jitter, so that writers that met once do not meet again; nothing secret depends on it.
    return random.uniform(0, FIRST_PAUSE * 2**retries)  # noqa: S311
