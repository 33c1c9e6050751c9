"""Lets syncs run, with whatever goes wrong, and checks each write and what each run leaves."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from octopus_edits import Mishap
from octopus_ledger_rules import check_ledger, check_untouched, expectation_of
from octopus_rules import (
    Attempt,
    Effect,
    Entry,
    Identity,
    Wanted,
    check_change,
    identity,
    identity_of,
)
from octopus_story import Story, Subject, parsed
from octopus_wire import Fault, Json, Put

from secretsync.adapter import Action
from secretsync.domain.entities import RunAction, RunState, SyncRun
from secretsync.domain.problems import Reason
from secretsync.store.protocol import Transaction

MAX_ROUNDS = 6
"""After so many runs of every sync in turn, the last of them must have had nothing to do."""


class RunningStory(Story):
    """A story whose syncs run."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[BaseException] = []
        self.effect: Effect | None = None
        self.base: list[Json] = []
        self.runs_since_quiet = 0

    async def _run(
        self, one: Subject, action: RunAction, mishaps: Sequence[Mishap]
    ) -> SyncRun | None:
        if self.cut_short and self.cut_short[0] is not one:
            # The next server begins with the run that was cut short.
            interrupted, run = self.cut_short
            await self._finish(interrupted, interrupted.action, [], run)
        one.action = action
        return await self._finish(one, action, mishaps)

    async def _finish(
        self,
        one: Subject,
        action: RunAction,
        mishaps: Sequence[Mishap],
        cut_short: SyncRun | None = None,
    ) -> SyncRun | None:
        wire = self.stack.wire
        self.cut_short = None
        self.effect = None
        self.runs_since_quiet += 1
        attempt = await self._attempt(one, action)
        wire.on_put = self._accepted
        wire.begin(attempt, {(each.method, each.nth): self._fault(each) for each in mishaps})
        run = cut_short or await self.stack.queue(one.sync, action)
        ended = await self.stack.finish(run)
        self._raise_if_wrong()
        for kind in wire.used:
            self.tally[f"fault: {kind}"] += 1
        self.tally["PUTs"] = wire.accepted
        if ended is None:
            self.cut_short = one, run
            self.tally["run: died"] += 1
        await self._check_run(one, attempt, ended)
        assert wire.rows() == self.rows, "somebody changed the rows unseen"
        return ended

    async def _attempt(self, one: Subject, action: RunAction) -> Attempt:
        scope = one.scope()
        wanted = {} if action is RunAction.REMOVE else self._wanted(one)
        others = await self.stack.ledger_of_others(one.sync)
        return Attempt(
            who=one.sync.slug,
            wanted=wanted,
            scope=scope,
            memory=one.memory,
            others=frozenset(map(parsed, others)),
            deletes=action is RunAction.REMOVE or not one.sync.options.disable_secret_deletion,
            prefix=None if action is RunAction.REMOVE else one.prefix(),
            is_removal=action is RunAction.REMOVE,
        )

    def _wanted(self, one: Subject) -> dict[Identity, Wanted]:
        scope = one.scope()
        wanted = {}
        for key, secret in self.secrets[one.sync.environment].items():
            name = one.name_of(key)
            wanted[identity_of(name, scope)] = Wanted(key, name, secret.stored, secret.comment)
        return wanted

    def _clashes(self, one: Subject) -> bool:
        return len(self._wanted(one)) < len(self.secrets[one.sync.environment])

    def _fault(self, mishap: Mishap) -> Fault:
        edit = functools.partial(self._edited, mishap.edit) if mishap.edit else lambda: None
        return Fault(mishap.kind, mishap.rule or {}, edit)

    def _accepted(self, put: Put) -> None:
        """Check a write that the sandbox has accepted."""
        attempt: Attempt = put.sender
        try:
            assert put.before == self.rows, "somebody changed the rows unseen"
            effect = check_change(attempt, put.before, put.after)
        except AssertionError as error:
            self.failures.append(error)
            return
        self.tally.update(effect.seen)
        memory = attempt.memory
        if not (memory.unsettled or memory.ghosts):
            memory.is_clear = True
        if put.is_late or memory.unsent or self.stack.wire.lost:
            memory.is_clear = False
        if put.is_late:
            self.tally["late write arrived"] += 1
        else:
            self.effect, self.base = effect, put.before
        memory.unsettled |= effect.created
        memory.ghosts |= effect.deleted
        self.rows = put.after

    def _raise_if_wrong(self) -> None:
        if self.failures:
            raise self.failures[0]
        assert not self.stack.wire.wrong, self.stack.wire.wrong
        assert not self.ear.heard, self.ear.heard

    async def _check_run(self, one: Subject, attempt: Attempt, ended: SyncRun | None) -> None:
        """Check what a run says of itself, and what it leaves in its ledger."""
        memory, wire = one.memory, self.stack.wire
        ledger = await self.stack.ledger(one.sync)
        listed = {
            parsed(entry.identity): Entry(entry.remote_id or "", entry.name)
            for entry in ledger
            if entry.confirmed
        }
        kind = "removal" if attempt.is_removal else "sync"
        if ended is not None and ended.state is RunState.SUCCEEDED:
            self.tally[f"{kind} succeeded"] += 1
            self._check_success(one, attempt, ended, listed)
            in_flight = [entry.version for entry in ledger if not entry.confirmed]
            # Somebody may have changed the set since.
            assert set(in_flight) <= {str(wire.seen_version)}, "an intent was left behind"
        else:
            check_untouched(memory, listed)
            if wire.lost:
                memory.is_clear = False
            if ended is None:
                self.tally[f"{kind} died"] += 1
                memory.unsent += [
                    (version, frozenset(map(identity, rows))) for version, rows in wire.lost
                ]
            else:
                self.tally[f"{kind} failed: {ended.error_reason}"] += 1
                self._check_failure(one, attempt, ended)
        memory.mine = listed

    def _check_success(
        self, one: Subject, attempt: Attempt, run: SyncRun, listed: Mapping[Identity, Entry]
    ) -> None:
        wire = self.stack.wire
        assert attempt.is_removal or not self._clashes(one)
        if not (wire.methods[-2:] == ["PUT", "GET"] and wire.put_ok):
            # The last plan was that there is nothing to do.
            self.effect, self.base = check_change(attempt, wire.seen, wire.seen), wire.seen
        assert self.effect is not None
        expected = expectation_of(attempt, self.effect, self.base)
        self.tally.update(expected.seen)
        by_action = {
            action: [each.name for each in run.outcome.keys if each.action is action]
            for action in Action
        }
        check_ledger(expected, listed, by_action[Action.SKIPPED])
        if not one.memory.unsettled and not one.memory.ghosts and not wire.used:
            # Told exactly, since nothing is blurred.
            gone = [row["Name"] for row in self.base if row["Id"] in self.effect.deleted]
            assert sorted(by_action[Action.DELETED]) == sorted(gone)
        if not attempt.is_removal:
            one.sync = replace(one.sync, initialized=True)
        one.memory.settle()

    def _check_failure(self, one: Subject, attempt: Attempt, run: SyncRun) -> None:
        """Check that a run had a reason to fail."""
        wire, used = self.stack.wire, self.stack.wire.used
        match run.error_reason:
            case Reason.DUPLICATE_SECRETS:
                assert self._clashes(one)
                assert wire.methods == []
            case Reason.DESTINATION_CONFIG_INVALID:
                why = attempt.refusal(wire.seen)
                assert why, run.message
                self.tally[f"refused: {why}"] += 1
            case Reason.AUTHENTICATION_FAILED:
                assert "answer expired_key" in used
            case Reason.DESTINATION_PERMISSION_DENIED:
                assert "answer read_only" in used
            case Reason.UNSUPPORTED:
                assert used.count("swallow") > 1
            case reason:
                raise AssertionError(f"{reason}: {run.message}")

    async def _clear(self) -> None:
        await self.stack.kill()
        for one in self.subjects:
            await self.stack.store.write(functools.partial(_delete, uid=one.sync.uid))

    async def _settle(self) -> None:
        """Run every sync until none has anything to do, and check that all is as it must be."""
        wire = self.stack.wire
        self.tally["quiet points"] += 1
        self.runs_since_quiet = 0
        for _ in range(MAX_ROUNDS):
            before = wire.accepted
            ends = [
                (one, await self._run(one, one.action, []), wire.methods) for one in self.subjects
            ]
            # Whoever looks whether an earlier write arrives late reads more than once.
            if wire.accepted == before and all(methods in ([], ["GET"]) for *_, methods in ends):
                break
        else:
            raise AssertionError("the syncs do not come to rest")
        for one, run, _ in ends:
            assert run is not None
            if run.state is RunState.SUCCEEDED:
                self._check_rest(one, run)

    def _check_rest(self, one: Subject, run: SyncRun) -> None:
        """Check that a sync which has nothing to do has everything that it wants."""
        counts = Counter(each.action for each in run.outcome.keys)
        assert counts[Action.CREATED] + counts[Action.UPDATED] + counts[Action.DELETED] == 0
        if one.action is RunAction.REMOVE:
            return
        wanted = self._wanted(one)
        assert counts[Action.UNCHANGED] == len(wanted)
        for made, wish in wanted.items():
            rows = [row for row in self.rows if identity(row) == made]
            assert [row["Value"] for row in rows if row["Id"] == one.memory.mine[made].row_id] == [
                wish.value
            ]
            assert len(rows) == 1 or one.sync.options.disable_secret_deletion
            self.tally["variables found as wanted at a quiet point"] += 1


def _delete(tx: Transaction, uid: str) -> None:
    tx.syncs.delete(uid)
