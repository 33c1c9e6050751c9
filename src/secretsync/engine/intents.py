"""Makes durable what an attempt is about to write, unless it must not write any more."""

from collections.abc import Callable, Sequence
from datetime import datetime

from secretsync.adapter import LedgerEntry
from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.former_places import may_run, why_kept
from secretsync.domain.pauses import holding, names_holding, paused
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.engine.ledgers import ledger_of, sync_of
from secretsync.engine.report import RunReport
from secretsync.engine.runner import LeaseLostError
from secretsync.store.protocol import StateStore, Transaction


class IntentRecorder:
    """The `RecordIntent` of one attempt, with the sync as the attempt knows it as a first argument.

    Args:
        store: the state store.
        clock: returns the present time.
        renew: renews the attempt's lease; False if it is lost.
        run: the run, as the attempt claimed it.
        report: takes note of whether a write was announced, or refused because of a pause.
    """

    def __init__(
        self,
        store: StateStore,
        clock: Callable[[], datetime],
        renew: Callable[[SyncRun, Transaction], bool],
        run: SyncRun,
        report: RunReport,
    ) -> None:
        self._store = store
        self._clock = clock
        self._renew = renew
        self._run = run
        self._report = report
        self._earlier: list[LedgerEntry] | None = None

    async def __call__(
        self,
        known: SecretSync,
        entries: Sequence[LedgerEntry],
        based_on: str | None = None,
        *,
        failed: str | None = None,
    ) -> None:
        """See `RunRequest.record_intent`.

        Raises:
            LeaseLostError: another worker has the run.
            Problem: the run was cancelled, its sync was made to lead elsewhere or to require
                approval, or is paused.
        """
        target_key = known.target_key

        def work(tx: Transaction) -> list[LedgerEntry]:
            left = self._intend(tx, known, entries, announces=failed is None)
            if failed is not None:
                tx.ledger.withdraw_attempt(target_key, failed)
            if based_on is not None:
                tx.ledger.record_attempt(target_key, based_on, self._clock())
            # Here, because the transaction goes on if the attempt is stopped while it waits for it.
            self._report.write_announced |= failed is None
            return left

        self._earlier = await self._store.write(work)

    def _intend(
        self,
        tx: Transaction,
        known: SecretSync,
        entries: Sequence[LedgerEntry],
        *,
        announces: bool,
    ) -> list[LedgerEntry]:
        """Make intents durable in place of those that this attempt recorded before.

        Args:
            tx: the transaction.
            known: the sync as the attempt knows it: it leads to where the attempt writes to.
            entries: the intents, and confirmed entries of what earlier ones led to.
            announces: whether a write is to follow.

        Returns:
            What earlier attempts left and `entries` does not confirm. It stays known until a run
            has come to a result, since it may be there.
        """
        run = self._run
        if not self._renew(run, tx):
            raise LeaseLostError
        current = tx.runs.get(run.sync_uid, run.uid)
        if announces and current and current.cancel_requested:
            raise Problem(Code.ABORTED, Reason.CANCELLED, f"{run.name} was cancelled")
        sync = sync_of(tx, run)
        if sync is None or sync.target_key != known.target_key:
            # What it wrote there would be remembered as if it were at the new place.
            raise Problem(
                Code.ABORTED,
                Reason.SUPERSEDED,
                f"{run.sync_name} was made to lead elsewhere while this run was under way; nothing"
                " was changed at the destination. Run it again",
            )
        if announces:
            self._check_approval(known, sync)
            _check_clean_up(current or run, sync)
            self._check_pauses(tx, sync)
        ledger, owner = ledger_of(tx, run)
        earlier = self._earlier
        if earlier is None:
            earlier = [each for each in ledger.of(owner) if not each.confirmed]
        renewed = {entry.identity for entry in entries}
        kept = [entry for entry in earlier if entry.identity not in renewed]
        ledger.confirm(owner, [entry for entry in entries if entry.confirmed])
        intents = [entry for entry in entries if not entry.confirmed]
        ledger.put_intents(owner, [*kept, *intents])
        resolved = {entry.identity for entry in entries if entry.confirmed}
        return [entry for entry in earlier if entry.identity not in resolved]

    def _check_approval(self, known: SecretSync, sync: SecretSync) -> None:
        """Refuse a write that has to be approved since the attempt began, and that nobody has.

        In the transaction that would announce it, as with pauses. The next attempt makes a plan.
        """
        is_new = sync.options.require_approval and not known.options.require_approval
        is_clean_up = self._run.action is RunAction.CLEAN_UP
        if is_new and not self._run.approved_fingerprint and not is_clean_up:
            problem = Problem(
                Code.ABORTED,
                Reason.SUPERSEDED,
                f"{sync.name} was made to require approval while this run was under way",
            )
            self._report.held = problem
            raise problem

    def _check_pauses(self, tx: Transaction, sync: SecretSync) -> None:
        """Refuse a write that a pause holds.

        In the transaction that would announce it: whoever has paused the sync can rely on it that
        no write begins after that.
        """
        pauses = holding(sync, tx.pauses.named(names_holding(sync)))
        if pauses:
            problem = paused(sync, pauses, "no write may begin")
            self._report.held = problem
            raise problem


def _check_clean_up(run: SyncRun, sync: SecretSync) -> None:
    """Refuse to take anything away by itself that is to stay since the attempt began.

    In the transaction that would announce it, as with pauses.
    """
    if run.action is RunAction.CLEAN_UP and not may_run(sync, run):
        reason = Reason.CLEAN_UP_FAILED if sync.is_enabled else Reason.SYNC_DISABLED
        raise Problem(Code.ABORTED, reason, why_kept(sync))
