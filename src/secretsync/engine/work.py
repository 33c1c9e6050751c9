"""What a run works with: all that it needs, read from the store in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from secretsync.adapter import DesiredSecret, LedgerEntry, RemoveRequest, SecretValue, SyncRequest
from secretsync.crypto import Vault
from secretsync.domain.desired import first_run_claims, name_keys
from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.domain.resolution import resolve_source
from secretsync.engine.certainty import known_versions
from secretsync.engine.sealed import open_secret, stored_credentials
from secretsync.engine.source import source_view
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Everything that an attempt, or a plan of one, needs.

    `source_missing` names the source folder if it does not exist any more while secrets of this
    sync are at the destination; `desired` is empty then. `plan_digest` is for fingerprints.
    """

    action: RunAction
    sync: SecretSync
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
        if self.action is RunAction.REMOVE:
            return RemoveRequest(**shared)
        return SyncRequest(
            **shared,
            desired=self.desired,
            delete_missing=not self.sync.options.disable_secret_deletion,
            claims=first_run_claims(self.sync),
        )


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
        connection = tx.connections.by_uid(sync.connection_uid) if sync else None
        if sync is None or connection is None:
            raise Problem(Code.INTERNAL, Reason.INTERNAL, f"{run.sync_name} was deleted meanwhile")
        ledger = tuple(tx.ledger.of_sync(sync.uid))
        project_uid, sync_uid = sync.project_uid, sync.uid
        digest_key = self._vault.digest_key(tx, project_uid, "ledger")
        desired: tuple[DesiredSecret, ...] = ()
        missing = ""
        if run.action is RunAction.SYNC:
            missing = _missing_source(tx, sync) if ledger else ""
            desired = () if missing else self._desired(tx, sync)
        return Work(
            action=run.action,
            sync=sync,
            credentials=stored_credentials(self._registry, self._vault, tx, connection),
            config=self._config(sync),
            desired=desired,
            ledger=ledger,
            claimed_by_others=dict(tx.ledger.claimed_by_others(sync.uid, sync.target_key)),
            known_versions=known_versions(tx, run, sync, ledger),
            written_from={
                version: (self._clock() - begun).total_seconds()
                for version, begun in tx.ledger.attempted_from(sync.target_key).items()
            },
            digest=lambda identity, value: digest_key(sync_uid, identity, value.reveal()),
            plan_digest=self._vault.digest_key(tx, project_uid, "plan"),
            source_missing=missing,
        )

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
