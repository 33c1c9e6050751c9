"""What a run works with: all that it needs, read from the store in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from secretsync.adapter import DesiredSecret, LedgerEntry, RemoveRequest, SecretValue, SyncRequest
from secretsync.crypto import Vault
from secretsync.domain.desired import first_run_claims, name_keys
from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.former_places import FormerPlace, may_run, sync_at, why_kept
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.domain.resolution import resolve_source
from secretsync.engine.certainty import known_versions, may_be_in_flight
from secretsync.engine.ledgers import ledger_of
from secretsync.engine.sealed import open_secret, place_credentials, stored_credentials
from secretsync.engine.source import source_view
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything that an attempt, or a plan of one, needs.

    `sync` is as it was when it led to the place that the run is about. `paced_as` names what has a
    pace of its own: a connection, or a former place of one that leads elsewhere now.
    `source_missing` names the source folder if it does not exist any more while secrets of this
    sync are at the destination; `desired` is empty then. `plan_digest` is for fingerprints.
    `is_settled` tells a check whether all that was written is recorded. `held_at_present` tells a
    clean-up what the sync holds where it leads to now, and `is_found_again` whether the former
    place seems to be the very same, under another target key.
    """

    action: RunAction
    sync: SecretSync
    paced_as: str
    credentials: Any
    config: Any
    desired: tuple[DesiredSecret, ...]
    ledger: tuple[LedgerEntry, ...]
    claimed_by_others: dict[str, str]
    known_versions: frozenset[str]
    written_from: dict[str, float]
    digest: Callable[[str, SecretValue], str]
    plan_digest: Callable[..., str]
    source_missing: str = ""
    is_settled: bool = True
    held_at_present: tuple[LedgerEntry, ...] = ()
    is_found_again: bool = False

    def request(self, **means: Any) -> SyncRequest | RemoveRequest:  # noqa: ANN401
        """Return what the adapter is asked.

        Args:
            means: what it is to do it with: `http`, `clock`, `logger`, `record_intent`,
                `report_progress` and `confirm_plan` of `RunRequest`.
        """
        shared: dict[str, Any] = {
            "credentials": self.credentials,
            "config": self.config,
            "ledger": self.ledger,
            "claimed_by_others": self.claimed_by_others,
            "known_versions": self.known_versions,
            "written_from": self.written_from,
            "digest": self.digest,
            **means,
        }
        if self.action in {RunAction.REMOVE, RunAction.CLEAN_UP}:
            return RemoveRequest(**shared)
        return SyncRequest(
            **shared,
            desired=self.desired,
            delete_missing=not self.sync.options.disable_secret_deletion,
            claims=first_run_claims(self.sync),
        )


_DESIRING = frozenset({RunAction.SYNC, RunAction.CHECK})
"""The actions that need to know what the destination is to hold."""


class Preparation:
    """Reads what runs work with.

    Args:
        registry: the destinations.
        vault: decrypts, and makes digests.
        clock: returns the present time.
    """

    def __init__(self, registry: Registry, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._registry = registry
        self._vault = vault
        self._clock = clock

    def of(self, tx: Transaction, run: SyncRun) -> Work:
        """Return what a run works with if it begins now.

        Args:
            tx: a view of the store, in which nothing is changed.
            run: the run; one that is only planned needs not be stored.

        Raises:
            Problem: the source cannot be resolved, or what is stored cannot be used any more.
        """
        sync = tx.syncs.by_uid(run.sync_uid)
        place = tx.former_places.by_uid(run.place_uid) if run.place_uid else None
        if sync and run.place_uid:
            sync = _as_it_was(tx, sync, run, place)
        connection = tx.connections.by_uid(sync.connection_uid) if sync else None
        if sync is None or connection is None:
            raise Problem(Code.INTERNAL, Reason.INTERNAL, f"{run.sync_name} was deleted meanwhile")
        entries, owner = ledger_of(tx, run)
        ledger = tuple(entries.of(owner))
        held = _held_at_present(tx, run)
        project_uid, sync_uid = sync.project_uid, sync.uid
        digest_key = self._vault.digest_key(tx, project_uid, "ledger")
        desired: tuple[DesiredSecret, ...] = ()
        missing = ""
        if run.action in _DESIRING:
            missing = _missing_source(tx, sync) if ledger else ""
            desired = () if missing else self._desired(tx, sync)
        return Work(
            action=run.action,
            sync=sync,
            paced_as=place.uid if place and place.sealed_credentials else connection.uid,
            credentials=(
                place_credentials(self._registry, self._vault, tx, place, connection)
                if place
                else stored_credentials(self._registry, self._vault, tx, connection)
            ),
            config=self._config(sync),
            desired=desired,
            ledger=ledger,
            claimed_by_others=self._claimed(tx, sync, desired),
            known_versions=known_versions(tx, run, sync, ledger),
            written_from={
                version: (self._clock() - begun).total_seconds()
                for version, begun in tx.ledger.attempted_from(sync.target_key).items()
            },
            digest=lambda identity, value: digest_key(sync_uid, identity, value.reveal()),
            plan_digest=self._vault.digest_key(tx, project_uid, "plan"),
            source_missing=missing,
            is_settled=run.action is not RunAction.CHECK or not may_be_in_flight(tx, run),
            held_at_present=held,
            is_found_again=place is not None and _is_found_again(tx, place, ledger, held),
        )

    def _claimed(
        self, tx: Transaction, sync: SecretSync, desired: Sequence[DesiredSecret]
    ) -> dict[str, str]:
        """Return what belongs to other syncs: what they hold, and what they have left there.

        What is left behind under a name that is wanted now may be taken: it then belongs to this
        sync, and is not cleaned up.
        """
        fold = self._registry.get(sync.destination).info.name_identity
        wanted = {fold(each.name) for each in desired}
        left = tx.former_places.claims(sync.uid, sync.target_key)
        return {
            **{each.identity: each.sync_name for each in left if fold(each.name) not in wanted},
            **tx.ledger.claimed_by_others(sync.uid, sync.target_key),
        }

    def _config(self, sync: SecretSync) -> Any:  # noqa: ANN401
        violations = Violations()
        config = self._registry.parse_config(
            sync.destination, sync.destination_config, "destination_config", violations
        )
        violations.raise_if_any()
        return config

    def _desired(self, tx: Transaction, sync: SecretSync) -> tuple[DesiredSecret, ...]:
        view = source_view(tx, sync.project_uid)
        secrets = resolve_source(view, sync.source, recursive=sync.recursive)
        info = self._registry.get(sync.destination).info
        schema = KeySchema(sync.options.key_schema, sync.environment)
        return tuple(
            DesiredSecret(
                key=named.key,
                name=named.name,
                value=open_secret(self._vault, tx, sync.project_uid, secrets[named.key]),
                comment=secrets[named.key].comment,
            )
            for named in name_keys(secrets, schema, info.name_identity)
        )


def _missing_source(tx: Transaction, sync: SecretSync) -> str:
    """Return the source folder for people if it does not exist any more, or an empty text."""
    if tx.secrets.folder_exists(sync.source):
        return ""
    return f"{sync.environment}:{sync.secret_path}"


def _held_at_present(tx: Transaction, run: SyncRun) -> tuple[LedgerEntry, ...]:
    """Return what the sync of a clean-up holds at its present place."""
    held = tx.ledger.of_sync(run.sync_uid) if run.place_uid else ()
    return tuple(entry for entry in held if entry.confirmed)


def _is_found_again(
    tx: Transaction,
    place: FormerPlace,
    left: Sequence[LedgerEntry],
    held: Sequence[LedgerEntry],
) -> bool:
    """Tell whether a former place seems to be the present one under another target key.

    A server may have got another address, or come to tell by an id of its own who it is. What the
    clean-up would take away is then what was just written. Places of one instance are told apart.
    """
    sync = tx.syncs.by_uid(place.sync_uid)
    connection = tx.connections.by_uid(sync.connection_uid) if sync else None
    if connection is None or connection.instance == place.instance:
        return False
    ids = {(entry.identity, entry.remote_id) for entry in held if entry.remote_id}
    return any((entry.identity, entry.remote_id) in ids for entry in left)


def _as_it_was(
    tx: Transaction, sync: SecretSync, run: SyncRun, place: FormerPlace | None
) -> SecretSync:
    """Return the sync that a clean-up works for, as it was when it led to the former place."""
    if place is None:
        raise Problem(Code.ABORTED, Reason.SUPERSEDED, "nothing is left at this former place")
    if not may_run(sync, run):
        raise Problem(Code.FAILED_PRECONDITION, Reason.CLEAN_UP_FAILED, why_kept(sync))
    newcomer = None if run.trigger is RunTrigger.MANUAL else _newcomer(tx, sync, place)
    if newcomer:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.CLEAN_UP_FAILED,
            f"{newcomer.name} is about to write there, and may take over what is left: it is"
            " cleaned after that",
        )
    return sync_at(sync, place)


def _newcomer(tx: Transaction, sync: SecretSync, place: FormerPlace) -> SecretSync | None:
    """Return another sync that is to write for the first time where a sync has been.

    So is one that may have written without having been told. What it takes over is in its ledger
    when its run has come to a result; until then, it would be taken away.
    """
    for other in tx.syncs.at_target(place.target_key):
        waiting = tx.runs.pending(other.uid)
        if other.uid == sync.uid or waiting is None or waiting.action is not RunAction.SYNC:
            continue
        if other.is_enabled and (not other.initialized or may_be_in_flight(tx, waiting)):
            return other
    return None
