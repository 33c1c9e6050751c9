"""What a run would do, and a fingerprint of all that this follows from."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from secretsync.adapter import PlannedChange, PlanRequest, PlanResult, SecretValue
from secretsync.crypto import Vault
from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.engine.runner import bounded, shortened
from secretsync.engine.work import Preparation, Work
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction

AFTER_ALL_OTHERS = 2**62
_PART_LENGTH = 32
"""Hexadecimal digits of each part of a fingerprint: 128 bits of a keyed digest."""


class PlanOnlyError(Exception):
    """A plan mutates nothing: an adapter was about to write while it was asked for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a run of a sync would do.

    Attributes:
        sync: the sync.
        action: what the run would be for.
        changes: by name in ascending order.
        warnings: for people.
        version: the destination's version that was looked at, None if it has none.
        refusal: see `PlanResult.refusal`.
        fingerprint: changes with anything that the plan follows from; see `Planning`.
        plan_time: when the plan was made.
    """

    sync: SecretSync
    action: RunAction
    changes: tuple[PlannedChange, ...]
    warnings: tuple[str, ...]
    version: str | None
    refusal: str
    fingerprint: str
    plan_time: datetime


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
        self._digest = vault.digest_key(tx, sync.project_uid, "plan")
        self._is_running = tx.runs.running(sync.uid) is not None

    async def make(self, means: dict[str, Any]) -> SyncPlan:
        """Ask the adapter, and return the plan.

        Args:
            means: `http`, `clock` and `logger` of `RunRequest`.

        Raises:
            AdapterError: what the run would fail with, if that is about no single key.
        """
        work = self.work
        run = work.request(**means, record_intent=_refuse, report_progress=_ignore)
        result = await self._registry.plan(work.sync.destination, PlanRequest(run=run))
        changes = tuple(sorted(result.changes, key=_order))
        # Thousands of values take a while, in which the server must answer others.
        fingerprint = await asyncio.to_thread(self._fingerprint, result, changes)
        return SyncPlan(
            sync=work.sync,
            action=work.action,
            changes=changes,
            warnings=bounded((*self._warnings(), *result.warnings)),
            version=result.version,
            refusal=shortened(result.refusal),
            fingerprint=fingerprint,
            plan_time=self._now,
        )

    def _warnings(self) -> list[str]:
        warnings = []
        if self._is_running:
            warnings.append("A run of this sync is under way, which may change what is planned.")
        if self.work.action is RunAction.SYNC and not self.work.sync.is_enabled:
            warnings.append("The sync is disabled, so no run does this until it is enabled.")
        return warnings

    def _fingerprint(self, result: PlanResult, changes: Sequence[PlannedChange]) -> str:
        """Return a text that changes with anything that the plan's outcome follows from.

        It has three parts, so that whoever compares two can tell what has moved: what is
        configured, what the source holds, and what the destination holds with what is known of it
        and planned for it. Each is a digest under the project's key, so that it tells nothing of
        values. Descriptions, warnings and times are not in it.
        """
        work = self.work
        sync = work.sync
        configured = [
            work.action,
            sync.uid,
            [sync.environment_uid, sync.secret_path, sync.recursive],
            sync.connection_uid,
            sync.target_key,
            sync.destination,
            sync.destination_config,
            asdict(sync.options),
        ]
        held = [
            [each.key, each.name, each.comment, self._value(each.key, each.value)]
            for each in work.desired
        ]
        found = [
            result.version,
            result.refusal,
            sync.initialized,
            sorted(json.dumps(asdict(entry), sort_keys=True) for entry in work.ledger),
            sorted(work.claimed_by_others.items()),
            [asdict(change) for change in changes],
        ]
        parts = (("configuration", configured), ("source", held), ("destination", found))
        return ".".join(self._part(name, state) for name, state in parts)

    def _value(self, key: str, value: SecretValue) -> str:
        return self._digest("value", self.work.sync.uid, key, value.reveal())

    def _part(self, name: str, state: object) -> str:
        return self._digest(name, json.dumps(state, sort_keys=True))[:_PART_LENGTH]


def _order(change: PlannedChange) -> tuple[str, ...]:
    return (change.name, change.key, change.scope, change.kind, change.reason)


def _would_be_run(sync: SecretSync, action: RunAction, now: datetime) -> SyncRun:
    """Return the run that would begin now, which is stored nowhere."""
    return SyncRun(
        uid="plan",
        seq=AFTER_ALL_OTHERS,
        sync_uid=sync.uid,
        sync_name=sync.name,
        action=action,
        trigger=RunTrigger.MANUAL,
        create_time=now,
        not_before=now,
        lease_token=1,
    )


async def _refuse(*_entries: object, **_options: object) -> None:
    raise PlanOnlyError


def _ignore(_step: str, _done: int, _total: int) -> None:
    """Nobody watches a plan."""
