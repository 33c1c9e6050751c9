"""The steerable destination of `engine_kit`, able to make plans as well."""

from collections.abc import Sequence

from engine_kit import Destination, World

from secretsync.adapter import (
    Capability,
    ChangeKind,
    DesiredSecret,
    DestinationInfo,
    LedgerEntry,
    PlannedChange,
    PlanRequest,
    PlanResult,
    RunRequest,
    RunResult,
    SyncRequest,
    hookimpl,
)
from secretsync.registry import Registry


class PlanningDestination(Destination):
    """The plugin `memory` with the hook `plan`."""

    @hookimpl
    def destination(self) -> DestinationInfo:
        info = super().destination()
        return DestinationInfo(
            name=info.name,
            title=info.title,
            description=info.description,
            config_model=info.config_model,
            credential_models=info.credential_models,
            target_key=info.target_key,
            name_identity=info.name_identity,
            capabilities=frozenset({Capability.PLAN}),
        )

    @hookimpl
    async def plan(self, request: PlanRequest) -> PlanResult:
        async with self._call(request.run, "plan"):
            return self._planned(request.run)

    async def _converge(self, request: RunRequest, desired: Sequence[DesiredSecret]) -> RunResult:
        await request.confirm_plan(self._planned(request))
        return await super()._converge(request, desired)

    def _planned(self, run: RunRequest) -> PlanResult:
        document = self.at(run.config.place)
        is_known = str(document.version) in run.known_versions
        owned = {entry.identity: entry.digest for entry in run.ledger if entry.confirmed}
        changes = []
        for secret in run.desired if isinstance(run, SyncRequest) else ():
            identity = f"{secret.name.casefold()}@{run.config.scope}"
            digest = run.digest(identity, secret.value)
            kind, reason = ChangeKind.UNCHANGED, ""
            if identity not in document.rows:
                kind = ChangeKind.CREATE
            elif owned.get(identity) != digest:
                kind, reason = ChangeKind.UPDATE, "its value was changed"
            elif not is_known:
                kind, reason = ChangeKind.UPDATE, "the document was changed by somebody else"
            changes.append(
                PlannedChange(key=secret.key, name=secret.name, kind=kind, reason=reason)
            )
        changes += [
            PlannedChange(key=entry.key, name=entry.name, kind=ChangeKind.DELETE)
            for entry in self._unwanted(run)
        ]
        return PlanResult(changes=tuple(changes), version=str(document.version))

    def _unwanted(self, run: RunRequest) -> list[LedgerEntry]:
        """Return what is there of ours, and is to be there no more."""
        wanted = set()
        if isinstance(run, SyncRequest):
            if not run.delete_missing:
                return []
            wanted = {f"{each.name.casefold()}@{run.config.scope}" for each in run.desired}
        rows = self.at(run.config.place).rows
        return [
            entry
            for entry in run.ledger
            if entry.confirmed and entry.identity in rows and entry.identity not in wanted
        ]


def make_plans(world: World) -> None:
    """Let the destination of a world, whose engine has not been started, make plans."""
    world.memory = PlanningDestination()
    world.registry = Registry()
    world.registry.register(world.memory, "memory")
