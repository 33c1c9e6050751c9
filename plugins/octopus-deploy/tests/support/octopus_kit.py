"""What the tests of the Octopus Deploy plugin share: rows, sets, requests, and a small engine."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import functools
import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from secretsync.adapter import (
    DesiredSecret,
    LedgerEntry,
    PlanRequest,
    PlanResult,
    RemoveRequest,
    RunResult,
    SecretValue,
    SyncRequest,
    ValidateRequest,
    ValidateResult,
)
from secretsync_octopus_deploy import plugin
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.credentials import ApiKeyCredentials, InstanceCredentials
from secretsync_octopus_deploy.variable_set import VariableSet

Json = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SET_ID = "variableset-Projects-2"
LIBRARY_SET_ID = "variableset-LibraryVariableSets-2"
LIBRARY: Json = {
    "scope": "library-variable-set",
    "projectId": None,
    "libraryVariableSetId": "LibraryVariableSets-2",
}
"""What leads a configuration to a library variable set instead of a project."""
SCOPE_VALUES = {
    "Environments": [
        {"Id": "Environments-1", "Name": "Development"},
        {"Id": "Environments-2", "Name": "Production"},
    ],
    "Machines": [{"Id": "Machines-1", "Name": "web-1"}],
    "Actions": [{"Id": "action-1", "Name": "Deploy"}],
    "Roles": [{"Id": "web-server", "Name": "web-server"}],
    "Channels": [{"Id": "Channels-1", "Name": "Default"}],
    "TenantTags": [
        {"Id": "Regions/us-east", "Name": "us-east"},
        {"Id": "Tier/Gold", "Name": "Gold"},
    ],
    "Processes": [{"Id": "Projects-2", "Name": "Process", "ProcessType": "Deployment"}],
}
DEV = {"environments": ["Environments-1"]}
PROD = {"environments": ["Environments-2"]}


def digest(identity: str, value: SecretValue) -> str:
    """Return what the engine would compute, with a fixed key."""
    text = f"{identity}\0{value.reveal()}"
    return hmac.new(b"test key", text.encode(), hashlib.sha256).hexdigest()


def row(name: str, **fields: Any) -> Json:
    """Return a variable as a server sends it: sensitive and unscoped unless `fields` says so."""
    kind = fields.pop("Type", "Sensitive")
    return {
        "Id": str(uuid.uuid4()),
        "Name": name,
        "Value": None,
        "Description": None,
        "Scope": {},
        "IsEditable": True,
        "Prompt": None,
        "Type": kind,
        "IsSensitive": kind == "Sensitive",
        **fields,
    }


def set_text(
    rows: Sequence[Json], version: int = 3, scope_values: Mapping[str, Any] | None = SCOPE_VALUES
) -> str:
    """Return a variable set as a server sends it."""
    return json.dumps(
        {
            "Id": SET_ID,
            "OwnerId": "Projects-2",
            "Version": version,
            "Variables": rows,
            "ScopeValues": scope_values,
            "Links": {"Self": "/api/Spaces-1/projects/Projects-2/variables"},
        }
    )


def variable_set(
    *rows: Json, version: int = 3, scope_values: Mapping[str, Any] | None = SCOPE_VALUES
) -> VariableSet:
    """Return a variable set as it was read."""
    return VariableSet.parse(set_text(rows, version, scope_values))


def config_of(
    scope_values: Mapping[str, Sequence[str]] | None = None, **fields: Any
) -> OctopusConfig:
    """Return a configuration for the project that the tests write to."""
    given = {"spaceId": "Spaces-1", "projectId": "Projects-2", **fields}
    return OctopusConfig.model_validate({**given, "scopeValues": dict(scope_values or {})})


def desired_of(
    secrets: Mapping[str, str], comments: Mapping[str, str] | None = None
) -> tuple[DesiredSecret, ...]:
    """Return secrets whose names are their keys."""
    return tuple(
        DesiredSecret(
            key=f"KEY_{name}",
            name=name,
            value=SecretValue(value),
            comment=(comments or {}).get(name, ""),
        )
        for name, value in secrets.items()
    )


async def no_intents(
    _entries: Sequence[LedgerEntry], _based_on: str | None = None, *, failed: str | None = None
) -> None:
    """Record nothing."""


async def refuse_intents(*_: object, **__: object) -> None:
    """Refuse to record anything, as a plan is given it."""
    raise AssertionError("a plan records no intents")


REFUSING: Json = {"record_intent": refuse_intents}


def no_progress(_step: str, _done: int, _total: int) -> None:
    """Show nothing."""


def carried(http: httpx.AsyncClient, credentials: InstanceCredentials) -> dict[str, Any]:
    """Return what every request carries."""
    logger = logging.LoggerAdapter(logging.getLogger("secretsync.test"), {})
    return {"credentials": credentials, "http": http, "clock": lambda: NOW, "logger": logger}


@functools.cache
def _unused_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False)


def offline() -> dict[str, Any]:
    """Return what a request carries whose handling does no I/O."""
    credentials = ApiKeyCredentials.model_validate(
        {"instanceUrl": "https://octopus.example.com", "apiKey": "API-TEST"}
    )
    return carried(_unused_client(), credentials)


def sync_request(
    secrets: Mapping[str, str] | tuple[DesiredSecret, ...],
    *,
    scope: Mapping[str, Sequence[str]] | None = None,
    ledger: Iterable[LedgerEntry] = (),
    known: Iterable[int] = (),
    **fields: Any,
) -> SyncRequest:
    """Return a request that no server is needed for."""
    desired = secrets if isinstance(secrets, tuple) else desired_of(secrets)
    defaults: dict[str, Any] = {
        **offline(),
        "config": config_of(scope),
        "digest": digest,
        "record_intent": no_intents,
        "report_progress": no_progress,
    }
    return SyncRequest(
        desired=desired,
        ledger=tuple(ledger),
        known_versions=frozenset(str(version) for version in known),
        **{**defaults, **fields},
    )


def removal_request(
    ledger: Iterable[LedgerEntry],
    **fields: Any,
) -> RemoveRequest:
    """Return a request that no server is needed for."""
    defaults: dict[str, Any] = {
        **offline(),
        "config": config_of(),
        "digest": digest,
        "record_intent": no_intents,
        "report_progress": no_progress,
    }
    return RemoveRequest(ledger=tuple(ledger), **{**defaults, **fields})


@dataclass
class Engine:
    """Does for one sync what the engine does: keeps its ledger, intents and versions.

    Attributes:
        credentials: the connection's.
        http: the pooled client.
        config: the sync's.
        ledger: as it would be stored.
        known: versions at which the ledger is known to be true.
        written_from: versions that writes to the set were based on and which were not refused, to
            how many seconds ago; of other engines too if the same object is given to them.
        steps: what was reported of progress.
        before_write: called when intents are recorded.
    """

    credentials: InstanceCredentials
    http: httpx.AsyncClient
    config: OctopusConfig
    ledger: tuple[LedgerEntry, ...] = ()
    known: set[str] = field(default_factory=set)
    written_from: dict[str, float] = field(default_factory=dict)
    steps: list[tuple[str, int, int]] = field(default_factory=list)
    before_write: Callable[[], None] = lambda: None

    def carried(self) -> dict[str, Any]:
        """Return what every request carries."""
        return carried(self.http, self.credentials)

    def _run_fields(self) -> dict[str, Any]:
        return {
            **self.carried(),
            "config": self.config,
            "ledger": self.ledger,
            "known_versions": frozenset(self.known),
            "written_from": dict(self.written_from),
            "digest": digest,
            "record_intent": self._record,
            "report_progress": lambda *step: self.steps.append(step),
        }

    async def _record(
        self,
        entries: Sequence[LedgerEntry],
        based_on: str | None = None,
        *,
        failed: str | None = None,
    ) -> None:
        if failed is not None:
            self.written_from.pop(failed, None)
        if based_on is not None:
            self.written_from[based_on] = 0.0
        # As the store does: the intents take the place of all earlier ones.
        new = {one.identity for one in entries if one.confirmed}
        kept = (one for one in self.ledger if one.confirmed and one.identity not in new)
        self.ledger = (*kept, *entries)
        self.before_write()

    async def sync(
        self,
        secrets: Mapping[str, str],
        comments: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> RunResult:
        """Run the sync."""
        desired = desired_of(secrets, comments)
        request = SyncRequest(desired=desired, **{**self._run_fields(), **fields})
        return self._keep(await plugin.sync(request))

    async def remove(self, **fields: Any) -> RunResult:
        """Run a removal."""
        request = RemoveRequest(**{**self._run_fields(), **fields})
        return self._keep(await plugin.remove(request))

    async def plan(self, secrets: Mapping[str, str], **fields: Any) -> PlanResult:
        """Say what `sync` would do, with intents refused as the engine does."""
        request = SyncRequest(
            desired=desired_of(secrets), **{**self._run_fields(), **REFUSING, **fields}
        )
        return await plugin.plan(PlanRequest(run=request))

    async def plan_removal(self, **fields: Any) -> PlanResult:
        """Say what `remove` would do, with intents refused as the engine does."""
        request = RemoveRequest(**{**self._run_fields(), **REFUSING, **fields})
        return await plugin.plan(PlanRequest(run=request))

    async def validate(self, config: OctopusConfig | None = None) -> ValidateResult:
        """Prove the connection, and a configuration if there is one."""
        return await plugin.validate(ValidateRequest(config=config, **self.carried()))

    def _keep(self, result: RunResult) -> RunResult:
        self.ledger = result.ledger
        if result.version_after is None:
            self.known = set()
        else:
            self.known = {result.version_after}
        return result


def actions(result: RunResult) -> dict[str, str]:
    """Return the action per name."""
    return {one.name: one.action.value for one in result.keys}
