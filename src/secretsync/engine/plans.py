"""What a run would do, without any of it being done."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from secretsync.adapter import PlanRequest
from secretsync.crypto import Vault
from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.pauses import holding, names_holding, waits_for
from secretsync.domain.plans import SyncPlan
from secretsync.engine.gate import guard_text, told
from secretsync.engine.plan_only import refuse
from secretsync.engine.report import bounded
from secretsync.engine.work import Preparation, Work
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction


class Planning:
    """One plan in the making: what its run would work with, as it was in one transaction.

    Args:
        registry: the destinations.
        vault: decrypts, and makes digests.
        tx: a view of the store, in which nothing is changed.
        sync: the sync.
        action: what the run would be for.
        now: the present time.

    Raises:
        Problem: what the run would fail with before it calls the adapter.
    """

    def __init__(
        self,
        registry: Registry,
        vault: Vault,
        tx: Transaction,
        sync: SecretSync,
        action: RunAction,
        now: datetime,
    ) -> None:
        self._registry = registry
        self._now = now
        run = _would_be_run(sync, action, now)
        self.work: Work = Preparation(registry, vault, lambda: now).of(tx, run)
        self._is_running = tx.runs.running(sync.uid) is not None
        self._pauses = holding(sync, tx.pauses.named(names_holding(sync)))

    async def make(self, means: dict[str, Any]) -> SyncPlan:
        """Ask the adapter, and return the plan.

        Args:
            means: `http`, `clock` and `logger` of `RunRequest`.

        Raises:
            AdapterError: what the run would fail with, if that is about no single key.
        """
        work = self.work
        run = work.request(**means, record_intent=refuse, report_progress=_ignore)
        result = await self._registry.plan(work.sync.destination, PlanRequest(run=run))
        plan = await told(
            work, result, refusal=result.refusal or guard_text(work, result), now=self._now
        )
        return replace(plan, warnings=bounded((*self._warnings(), *result.warnings)))

    def _warnings(self) -> list[str]:
        warnings = []
        if self._is_running:
            warnings.append("A run of this sync is under way, which may change what is planned.")
        if self.work.action is RunAction.SYNC and not self.work.sync.is_enabled:
            warnings.append("The sync is disabled, so no run does this until it is enabled.")
        if self._pauses:
            warnings.append(
                f"The sync is paused, so a run that does this {waits_for(self._pauses)}."
            )
        return warnings


def _would_be_run(sync: SecretSync, action: RunAction, now: datetime) -> SyncRun:
    """Return the run that would begin now, which is stored nowhere."""
    return SyncRun(
        uid="plan",
        sync_uid=sync.uid,
        sync_name=sync.name,
        action=action,
        trigger=RunTrigger.MANUAL,
        create_time=now,
        not_before=now,
        lease_token=1,
    )


def _ignore(_step: str, _done: int, _total: int) -> None:
    """Nobody watches a plan."""
