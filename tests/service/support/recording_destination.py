"""A destination in memory that records what it is asked and does as a test tells it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from secretsync.adapter import (
    Action,
    AdapterModel,
    Capability,
    ChangeKind,
    DestinationInfo,
    DiscoverRequest,
    DiscoverResult,
    KeyResult,
    LedgerEntry,
    Option,
    OptionList,
    PlannedChange,
    PlanRequest,
    PlanResult,
    RemoveRequest,
    RunRequest,
    RunResult,
    SecretValue,
    SyncRequest,
    ValidateRequest,
    ValidateResult,
    hookimpl,
)


class Credentials(AdapterModel):
    """Credentials of every method."""

    server: str
    token: SecretValue


class Config(AdapterModel):
    """A sync's place."""

    place: str
    labels: list[str] = Field(default_factory=list)


class Recorder:
    """The destination `recorder`.

    Attributes:
        title: the name for people.
        requests: (hook, request) of every call, in order.
        failures: per hook what its next calls raise, in order; None lets a call pass.
        always: per hook what all its calls raise.
        held: what the destination holds: place -> name -> value.
        open: closed by a test that wants runs to wait.
        provable: closed by a test that wants proofs to wait.
        warnings: of every proof and run.
        hidden: names that removals do not see.
        refused: names that syncs cannot write.
        why_refused: what they say of them.
        version: what plans say of the destination's version.
        refusal: what plans say of a run's failure.
        plans_badly: whether plans try to record intents.
        looks: whether plans see that something is not held any more.
        then_close: whether the next sync closes `open` when it has written.
    """

    def __init__(self, name: str = "recorder", *, discovers: bool = True) -> None:
        self.name = name
        self.title = name.capitalize()
        self._discovers = discovers
        self.requests: list[tuple[str, Any]] = []
        self.failures: dict[str, list[BaseException | None]] = defaultdict(list)
        self.always: dict[str, BaseException] = {}
        self.held: dict[str, dict[str, str]] = defaultdict(dict)
        self.open = asyncio.Event()
        self.open.set()
        self.provable = asyncio.Event()
        self.provable.set()
        self.warnings: tuple[str, ...] = ()
        self.hidden: set[str] = set()
        self.refused: set[str] = set()
        self.why_refused = "Too long."
        self.version: str | None = None
        self.refusal = ""
        self.plans_badly = False
        self.looks = False
        self.then_close = False

    def calls(self, hook: str) -> list[Any]:
        """Return the requests that a hook got."""
        return [request for name, request in self.requests if name == hook]

    @hookimpl
    def destination(self) -> DestinationInfo:
        abilities = frozenset(Capability if self._discovers else ())
        return DestinationInfo(
            name=self.name,
            title=self.title,
            description="Keeps what it is given in memory.",
            config_model=Config,
            credential_models={"token": Credentials, "other": Credentials},
            target_key=lambda config, instance: f"{instance}/{config.place}",
            name_identity=str.casefold,
            capabilities=abilities,
            option_lists=(
                OptionList(name="places", description="The places."),
                OptionList(name="labels", description="The labels.", parameters=("place",)),
            ),
        )

    @hookimpl
    async def validate(self, request: ValidateRequest) -> ValidateResult:
        self._note("validate", request)
        await self.provable.wait()
        return ValidateResult(
            summary="Recorder 1.0 as tester",
            instance=request.credentials.server.rstrip("/"),
            warnings=self.warnings,
        )

    @hookimpl
    async def sync(self, request: SyncRequest) -> RunResult:
        await self._begin("sync", request)
        held = self.held[request.config.place]
        known = {entry.identity: entry for entry in request.ledger}
        keys: list[KeyResult] = []
        ledger: list[LedgerEntry] = []
        for secret in request.desired:
            identity = secret.name.casefold()
            if secret.name in self.refused:
                failed = KeyResult(
                    key=secret.key,
                    name=secret.name,
                    action=Action.FAILED,
                    reason=self.why_refused,
                )
                keys.append(failed)
                continue
            digest = request.digest(identity, secret.value)
            action = Action.CREATED if secret.name not in held else Action.UPDATED
            if identity in known and known[identity].digest == digest:
                action = Action.UNCHANGED
            held[secret.name] = secret.value.reveal()
            keys.append(KeyResult(key=secret.key, name=secret.name, action=action))
            ledger.append(
                LedgerEntry(
                    key=secret.key,
                    name=secret.name,
                    identity=identity,
                    remote_id=f"{request.credentials.server}/{request.config.place}/{identity}",
                    digest=digest,
                )
            )
        gone = [known[identity] for identity in known.keys() - {each.identity for each in ledger}]
        if request.delete_missing:
            keys.extend(self._delete(held, gone))
        else:
            ledger.extend(gone)
        if self.then_close:
            self.then_close = False
            self.open.clear()
        return RunResult(keys=tuple(keys), ledger=tuple(ledger), warnings=self.warnings)

    @hookimpl
    async def remove(self, request: RemoveRequest) -> RunResult:
        await self._begin("remove", request)
        hidden = tuple(entry for entry in request.ledger if entry.name in self.hidden)
        seen = [entry for entry in request.ledger if entry not in hidden]
        keys = self._delete(self.held[request.config.place], seen)
        return RunResult(keys=tuple(keys), ledger=hidden)

    @hookimpl
    async def plan(self, request: PlanRequest) -> PlanResult:
        self._note("plan", request)
        await self.provable.wait()
        if self.plans_badly:
            await request.run.record_intent([])
        return self._planned(request.run)

    def _planned(self, run: RunRequest) -> PlanResult:
        held = self.held[run.config.place]
        wanted = run.desired if isinstance(run, SyncRequest) else ()
        digests = {entry.name: entry.digest for entry in run.ledger}
        changes = []
        for secret in wanted:
            kind = ChangeKind.UPDATE if secret.name in held else ChangeKind.CREATE
            digest = run.digest(secret.name.casefold(), secret.value)
            if digests.get(secret.name) == digest and not (self.looks and secret.name not in held):
                kind = ChangeKind.UNCHANGED
            changes.append(PlannedChange(key=secret.key, name=secret.name, kind=kind))
        gone = digests.keys() - {each.name for each in wanted}
        is_kept = isinstance(run, SyncRequest) and not run.delete_missing
        kind = ChangeKind.BLOCKED if is_kept else ChangeKind.DELETE
        changes.extend(PlannedChange(key="", name=name, kind=kind) for name in gone)
        # In no order: it is the engine that sorts.
        return PlanResult(
            changes=tuple(reversed(changes)),
            warnings=self.warnings,
            version=self.version,
            refusal=self.refusal,
        )

    @hookimpl
    async def discover(self, request: DiscoverRequest) -> DiscoverResult:
        self._note("discover", request)
        begin = int(request.page_token or "0")
        end = begin + request.page_size
        options = [Option(id=f"{request.option_list}-{i}", name=f"Number {i}") for i in range(7)]
        return DiscoverResult(
            options=tuple(options[begin:end]),
            next_page_token=str(end) if end < len(options) else "",
        )

    async def _begin(self, hook: str, request: SyncRequest | RemoveRequest) -> None:
        request.report_progress("writing", 1, 2)
        self._note(hook, request)
        await self.open.wait()
        if self._discovers:
            await request.confirm_plan(self._planned(request))
        await request.record_intent([])

    def _note(self, hook: str, request: Any) -> None:  # noqa: ANN401
        self.requests.append((hook, request))
        failure = self.always.get(hook)
        if self.failures[hook]:
            failure = self.failures[hook].pop(0) or failure
        if failure:
            raise failure

    @staticmethod
    def _delete(held: dict[str, str], entries: Sequence[LedgerEntry]) -> list[KeyResult]:
        for entry in entries:
            held.pop(entry.name, None)
        return [
            KeyResult(key=entry.key, name=entry.name, action=Action.DELETED) for entry in entries
        ]
