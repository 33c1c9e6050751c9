"""What happens around an engine in the random executions: changes, wishes and events."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine_kit import Clock, Destination
from proof_faults import Nemesis
from proof_judge import Judge, claim_of_task
from proof_stage import OFTEN, Op, name_of, sync_of
from proof_store import ProofStore

from secretsync.adapter import SecretValue
from secretsync.domain.entities import (
    RunAction,
    RunTrigger,
)
from secretsync.domain.problems import Problem, Reason, Violations
from secretsync.domain.schedules import Schedule
from secretsync.engine.clean_up import end_forbidden
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.queue import NO_TERMS, RunTerms
from secretsync.engine.schedules import begin_times
from secretsync.engine.unwanted import end_disabled
from secretsync.operations import former_places, pauses, plans, runs, sync_settings, syncs
from secretsync.operations.app import App
from secretsync.operations.secrets import SecretInput, delete_secrets, set_secrets
from secretsync.store.errors import StoreError
from secretsync.store.protocol import StorageFullError, Transaction


class Events:
    """A method for each, by the name that programs know it by.

    What is done with the store happens in a transaction named `change`, at which faults strike.

    Attributes:
        clock: the time of the execution.
        memory: the destination.
        makes_plans: whether it does, without which nothing can be approved.
        nemesis: what strikes.
        judge: hears of what it cannot see in the tables.
        seen: takes how often something was met.
        store: of the present life.
        engine: of the present life.
    """

    clock: Clock
    memory: Destination
    makes_plans: bool
    nemesis: Nemesis
    judge: Judge
    seen: Counter[str]
    store: ProofStore
    engine: EmbeddedEngine

    @property
    def app(self) -> App:
        """The parts that operations work with."""
        raise NotImplementedError

    async def _attempt(self, op: Op) -> None:
        """Let something happen; what the store refuses has not happened."""
        name, *arguments = op
        try:
            await getattr(self, f"_{name}")(*arguments)
        except (StorageFullError, StoreError):
            self.seen["a change was refused"] += 1
        except Problem as problem:
            # A run is under way, or somebody was faster.
            if problem.reason not in {Reason.RESOURCE_IN_USE, Reason.ETAG_MISMATCH}:
                raise
            self.seen["a move was refused"] += 1
        self.engine.wake()

    async def _change(self, work: Callable[[Transaction], object]) -> None:
        def change(tx: Transaction) -> object:
            return work(tx)

        await self.store.write(change)

    async def _set(self, environment: str, key: str, number: int) -> None:
        given = SecretInput(key, SecretValue(f"value {number}"), "")
        parent = f"projects/shop/environments/{environment}"
        await self._change(lambda tx: set_secrets(self.app, tx, parent, "/", [given]))

    async def _delete(self, environment: str, key: str) -> None:
        parent = f"projects/shop/environments/{environment}"
        await self._change(
            lambda tx: delete_secrets(self.app, tx, parent, "/", [key], allow_missing=True)
        )

    async def _sync(self, slug: str) -> None:
        await self._ask(slug, RunAction.SYNC)

    async def _remove(self, slug: str) -> None:
        await self._ask(slug, RunAction.REMOVE)

    async def _ask(self, slug: str, action: RunAction, terms: RunTerms = NO_TERMS) -> None:
        def ask(tx: Transaction) -> None:
            if action is RunAction.REMOVE:
                runs.remove_secrets(self.app, tx, name_of(slug), terms)
                return
            sync = sync_of(tx, slug)
            if sync.is_enabled:
                self.engine.enqueue(tx, sync, action, RunTrigger.MANUAL, terms=terms)

        await self._change(ask)

    async def _require(self, slug: str) -> None:
        if self.makes_plans:
            await self._update(slug, {"sync_options.require_approval": True})
            self.judge.require(f"y-{slug}")

    async def _approve(self, slug: str) -> None:
        """Approve the plan that waits; ask for another one if something has moved since."""
        run = await self.store.store.read(lambda tx: tx.runs.awaiting_approval(f"y-{slug}"))
        if run is None:
            return
        assert run.plan
        terms = RunTerms(fingerprint=run.plan.fingerprint)
        try:
            await plans.check_approved(
                self.app, name_of(slug), run.action, terms.fingerprint, Violations()
            )
        except Problem as problem:
            if problem.reason is not Reason.PLAN_OUTDATED:
                raise
            self.seen["an outdated plan was refused"] += 1
            terms = NO_TERMS
        await self._ask(slug, run.action, terms)

    async def _clean_up(self, slug: str) -> None:
        await self._change(lambda tx: former_places.clean_up(self.app, tx, name_of(slug)))

    async def _cancel(self, slug: str) -> None:
        def cancel(tx: Transaction) -> None:
            uid = f"y-{slug}"
            run = tx.runs.pending(uid) or tx.runs.running(uid)
            if run:
                self.engine.cancel(tx, run)
                # What came besides is still to be done.
                due = run.follow_up if sync_of(tx, slug).is_enabled else None
                self.judge.wishes[uid] = RunAction.SYNC if due else None

        await self._change(cancel)

    async def _disable(self, slug: str) -> None:
        def disable(tx: Transaction) -> None:
            sync = replace(sync_of(tx, slug), is_enabled=False)
            tx.syncs.update(sync)
            waiting = tx.runs.pending(sync.uid)
            if waiting:
                end_disabled(tx, waiting, self.clock())
            end_forbidden(tx, sync, self.clock())
            if self.judge.wishes.get(sync.uid) is RunAction.SYNC:
                self.judge.call_off(sync.uid)

        await self._change(disable)

    async def _enable(self, slug: str) -> None:
        def enable(tx: Transaction) -> None:
            sync = sync_of(tx, slug)
            if not sync.is_enabled:
                enabled = replace(sync, is_enabled=True)
                tx.syncs.update(enabled)
                self.engine.enqueue(tx, enabled, RunAction.SYNC, RunTrigger.UPDATE)

        await self._change(enable)

    async def _move(self, slug: str, place: str) -> None:
        await self._update(slug, {"destination_config": {"place": place, "scope": slug}})

    async def _update(self, slug: str, changes: dict[str, Any]) -> None:
        app, name = self.app, name_of(slug)
        before, proved = await sync_settings.prove_changes(app, name, "", changes, Violations())
        await self._change(lambda tx: syncs.update_secret_sync(app, tx, name, "", before, proved))

    async def _check(self, slug: str) -> None:
        if self.makes_plans:
            await self._ask(slug, RunAction.CHECK)

    async def _schedule(self, slug: str) -> None:
        await self._change(lambda tx: self._set_schedule(tx, slug, OFTEN))

    async def _unschedule(self, slug: str) -> None:
        await self._change(lambda tx: self._set_schedule(tx, slug, None))

    def _set_schedule(self, tx: Transaction, slug: str, schedule: Schedule | None) -> None:
        sync = replace(sync_of(tx, slug), schedule=schedule)
        tx.syncs.update(begin_times(sync, self.clock()))

    async def _pause(self, slug: str) -> None:
        await self._change(lambda tx: pauses.pause_syncing(self.app, tx, name_of(slug), ""))

    async def _resume(self, slug: str) -> None:
        await self._change(lambda tx: pauses.resume_syncing(tx, name_of(slug)))

    async def _heartbeats(self) -> None:
        """Let every worker renew its lease, one that has lost it included."""
        for claim in [each for each in self.judge.claims.values() if each in self._at_work()]:
            token = claim_of_task.set(claim)
            try:
                renew = functools.partial(self.engine._worker._renew, claim.run)
                await self.store.write(renew)
            finally:
                claim_of_task.reset(token)

    def _at_work(self) -> list[Any]:
        stops = self.engine._worker._stops
        return [self.judge.claims[each] for each in stops if each in self.judge.claims]

    async def _clock(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def _restart(self) -> None:
        # It goes on in a process of its own, so to speak: the next one begins with its files.
        self.nemesis.in_a_hurry = True
        self.nemesis.let_go()
        with contextlib.suppress(StoreError):
            await self.engine.stop(grace=0)
        self.seen["restarted"] += 1
        await self.nemesis.die()

    async def _kill(self) -> None:
        await self.nemesis.die()

    async def _foreign(self, place: str) -> None:
        self.memory.at(place).change_by_somebody_else()

    async def _refuse(self, key: str) -> None:
        self.memory.refused = {key}

    async def _accept(self) -> None:
        self.memory.refused = set()

    async def _let_go(self) -> None:
        self.nemesis.let_go()
