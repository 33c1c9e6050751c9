"""Watches every transaction and every write of an engine, and notes what breaks an invariant."""

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite.rows import time_to_text

claim_of_task: ContextVar["Claim | None"] = ContextVar("claim_of_task", default=None)
"""The claim that the present task works off; None in tasks that are no worker's."""
OPEN = ("pending", "running", "awaiting-approval")


@dataclass(eq=False)
class Claim:
    """One claim of a run, as the judge saw it.

    Attributes:
        run: the run as it was claimed.
        time: when.
        until: when its lease ends, as far as it was renewed.
        place: the document that it writes to.
        transaction: number of the transaction that claimed it.
        based_on: the version at which it has read the document.
    """

    run: SyncRun
    time: datetime
    until: datetime
    place: str
    transaction: int
    based_on: int = 0


class Judge:
    """Notes what breaks an invariant; it looks at the tables itself, not through the store's code.

    Attributes:
        violations: what was broken, for people.
        claims: by run and lease token.
        wishes: by sync, what the last accepted trigger is to lead to; None if it was called off.
        seen: how often something was met.
    """

    def __init__(self, seen: Counter[str]) -> None:
        self.violations: list[str] = []
        self.wishes: dict[str, RunAction | None] = {}
        self.seen = seen
        self.claims: dict[tuple[str, int], Claim] = {}
        self.max_per_connection = 0
        self._ended: dict[str, tuple[str, str]] = {}
        self._announced: dict[str, list[Claim]] = {}
        self._accepted: list[SyncRun] = []
        self._transactions = 0
        self._required: dict[str, int] = {}

    def blame(self, what: str) -> None:
        """Note a violation."""
        self.violations.append(what)

    # Triggers

    def accept(self, run: SyncRun) -> None:
        """Note the run that answers a trigger, if its transaction commits."""
        self._accepted.append(run)

    def call_off(self, sync_uid: str) -> None:
        """Note that what was asked of a sync was called off."""
        self.wishes[sync_uid] = None

    def require(self, sync_uid: str) -> None:
        """Note that a sync is to write nothing that nobody has approved, from now on."""
        self._required.setdefault(sync_uid, self._transactions)

    # Transactions

    def begin(self) -> None:
        """Look at a transaction before anything is done in it."""
        self._accepted.clear()
        self._transactions += 1

    def fenced(self, tx: Transaction, claim: Claim, *, elsewhere: bool = True) -> bool:
        """Tell whether a claim must not do anything any more.

        Args:
            tx: the transaction.
            claim: the claim.
            elsewhere: whether another sync's run at the same document counts, too.
        """
        row = _one(
            tx,
            "SELECT state, lease_token, lease_until, sync_uid, place_uid, claimed_target FROM runs"
            " WHERE uid = ?",
            [claim.run.uid],
        )
        if row is None or row[:2] != ("running", claim.run.lease_token):
            return True
        _, _, until, *of_sync, target = row
        later = _all(
            tx,
            "SELECT sync_uid, place_uid, claimed_target FROM runs"
            " WHERE state = 'running' AND uid <> ? AND lease_until > ?",
            [claim.run.uid, until],
        )
        return any(
            other_of == of_sync or (elsewhere and other_target == target)
            for *other_of, other_target in later
        )

    def commit(self, tx: Transaction, point: str) -> None:
        """Look at the tables when a transaction is about to commit."""
        for run in self._accepted:
            if run.action in {RunAction.SYNC, RunAction.REMOVE}:
                self.wishes[run.sync_uid] = run.action
        waiting = _all(
            tx,
            "SELECT sync_uid, place_uid FROM runs WHERE state = 'pending'"
            " GROUP BY 1, 2 HAVING count(*) > 1",
        )
        if waiting:
            self.blame(f"{point}: more than one run waits for {waiting}")
        stuck = _all(
            tx,
            "SELECT runs.uid FROM runs JOIN secret_syncs AS sync ON sync.uid = sync_uid"
            " WHERE state = 'pending' AND action <> 'remove' AND NOT is_enabled"
            " AND NOT (action = 'clean-up' AND \"trigger\" = 'manual')",
        )
        if stuck:
            self.blame(f"{point}: runs of disabled syncs wait: {stuck}")
        for uid, token, until in _all(
            tx, "SELECT uid, lease_token, lease_until FROM runs WHERE state = 'running'"
        ):
            if until is None:
                self.blame(f"{point}: {uid} is under way without a lease")
            attempts = _all(
                tx, "SELECT number FROM run_attempts WHERE run_uid = ? AND outcome IS NULL", [uid]
            )
            if attempts != [(token,)]:
                self.blame(f"{point}: {uid} is under way with the attempts {attempts}, not {token}")
        idle = _all(
            tx,
            "SELECT uid, state FROM runs JOIN run_attempts ON run_uid = uid"
            " WHERE run_attempts.outcome IS NULL AND state <> 'running'",
        )
        if idle:
            self.blame(f"{point}: attempts of runs that are not under way: {idle}")
        self._check_ended(tx, point)

    def _check_ended(self, tx: Transaction, point: str) -> None:
        ended = {
            uid: (state, finish)
            for uid, state, finish in _all(tx, "SELECT uid, state, finish_time FROM runs")
            if state not in OPEN
        }
        for uid, before in self._ended.items():
            if ended.get(uid) != before:
                self.blame(f"{point}: {uid} had ended as {before} and is {ended.get(uid)}")
        self._ended = ended

    # Claims and writes

    def claimed(self, tx: Transaction, run: SyncRun, now: datetime) -> Claim:
        """Look at a claim in its transaction."""
        row = _one(
            tx,
            "SELECT claimed_target, claimed_connection, lease_until FROM runs WHERE uid = ?",
            [run.uid],
        )
        assert row
        target, connection, _ = row
        live = _all(
            tx,
            "SELECT uid, sync_uid, place_uid, claimed_target, claimed_connection FROM runs"
            " WHERE state = 'running' AND uid <> ? AND lease_until > ?",
            [run.uid, time_to_text(now)],
        )
        for uid, *of_sync, other_target, _ in live:
            if [run.sync_uid, run.place_uid] == of_sync or target == other_target:
                self.blame(f"claim: {run.uid} although {uid} is at work on {target}")
        if sum(each[4] == connection for each in live) >= self.max_per_connection:
            self.blame(f"claim: too many runs use {connection}")
        if run.lease_token > 1:
            self.seen["a run claimed again"] += 1
        assert run.lease_until
        return Claim(run, now, run.lease_until, str(target), self._transactions)

    def finished(self, tx: Transaction, run: SyncRun) -> None:
        """Look at what an attempt has left behind."""
        if run.trigger is RunTrigger.RETRY:
            self.seen["a run was retried"] += 1
        if run.state is RunState.PARTIALLY_SUCCEEDED:
            self.seen["partial success"] += 1
        if run.action is RunAction.CLEAN_UP and run.state is RunState.SUCCEEDED:
            self.seen["a former place was cleaned"] += 1
        if run.approved_fingerprint and run.state is RunState.SUCCEEDED:
            self.seen["an approved plan was carried out"] += 1
        waiting = tx.runs.pending(run.sync_uid, run.place_uid)
        is_of_plan = run.approved_fingerprint and run.trigger is RunTrigger.MANUAL
        if is_of_plan and run.state in {RunState.FAILED, RunState.PARTIALLY_SUCCEEDED}:
            # Whoever asked for this plan wants this one or none; what came besides goes on.
            self.wishes[run.sync_uid] = waiting.action if waiting else None
        if run.state is RunState.PENDING and waiting is None:
            self.blame(f"finish: {run.uid} is to go on, and nothing waits")

    def announced(self, claim: Claim) -> None:
        """Look at who else was to write to a document when a claim announces a write."""
        required = self._required.get(claim.run.sync_uid, claim.transaction)
        is_approved = claim.run.approved_fingerprint or claim.run.action is RunAction.CLEAN_UP
        if required < claim.transaction and not is_approved:
            self.blame(f"{claim.run.uid} writes what nobody has approved")
        at_place = self._announced.setdefault(claim.place, [])
        for other in at_place:
            if other is not claim and other.until > claim.time:
                self.blame(f"{claim.run.uid} and {other.run.uid} write to {claim.place} at once")
        if claim not in at_place:
            at_place.append(claim)

    def left(self, claim: Claim) -> None:
        """Note that the call of a claim has ended."""
        at_place = self._announced.get(claim.place, [])
        if claim in at_place:
            at_place.remove(claim)

    def forget_calls(self) -> None:
        """Note that the process has died, and with it all that was under way."""
        self._announced.clear()


def _all(tx: Transaction, sql: str, parameters: list[Any] | None = None) -> list[Any]:
    database = tx.database  # type: ignore[attr-defined]
    return list(database.execute(sql, parameters or []).fetchall())


def _one(tx: Transaction, sql: str, parameters: list[Any]) -> Any:  # noqa: ANN401
    return next(iter(_all(tx, sql, parameters)), None)
