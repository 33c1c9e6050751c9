"""SecretSyncService: the syncs themselves and their runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.empty_pb2 import Empty

from secretsync.domain.entities import (
    InitialSyncBehavior,
    RunAction,
    SecretSync,
    SyncOptions,
    SyncRun,
)
from secretsync.domain.etags import etag_of
from secretsync.domain.masks import select_fields
from secretsync.domain.problems import Violations
from secretsync.operations import destinations, lookups, plans, runs, sync_settings, syncs
from secretsync.operations.app import App
from secretsync.operations.sync_settings import SyncSettings
from secretsync.services.destinations import destination_message
from secretsync.services.plans import plan_message, planned_action
from secretsync.services.runs import filter_of, run_message, status_message
from secretsync.services.translate import (
    Context,
    call_of,
    page_of,
    plain,
    present_fields,
    struct,
    timestamp,
)
from secretsync.store.protocol import Transaction
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceServicer

BEHAVIORS = {
    pb.INITIAL_SYNC_BEHAVIOR_UNSPECIFIED: InitialSyncBehavior.OVERWRITE_DESTINATION,
    pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION: InitialSyncBehavior.OVERWRITE_DESTINATION,
    pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE: (
        InitialSyncBehavior.IMPORT_PRIORITIZE_SOURCE
    ),
    pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_DESTINATION: (
        InitialSyncBehavior.IMPORT_PRIORITIZE_DESTINATION
    ),
}
SHOWN_BEHAVIORS = {behavior: number for number, behavior in BEHAVIORS.items() if number}
LastRuns = Mapping[tuple[str, RunAction], SyncRun]


class SecretSyncServicer(SecretSyncServiceServicer):
    """Translates between SecretSyncService and the operations on syncs, runs and destinations."""

    def __init__(self, app: App, max_attempts: int) -> None:
        self._app = app
        self._max_attempts = max_attempts

    async def CreateSecretSync(
        self, request: pb.CreateSecretSyncRequest, context: Context
    ) -> pb.SecretSync:
        call = call_of(request, pb.SecretSync)
        earlier = await self._app.replay(call)
        if earlier is not None:
            return earlier
        parent, slug = request.parent, request.secret_sync_id
        violations = sync_settings.check_new(parent, slug)
        call.check(violations)
        settings = _settings(request.secret_sync, violations)
        proved = await sync_settings.prove_settings(
            self._app, parent, settings, violations, slug=slug
        )
        return await self._app.mutate(
            call,
            lambda tx: self._shown(
                tx, syncs.create_secret_sync(self._app, tx, parent, slug, proved)
            ),
        )

    async def GetSecretSync(
        self, request: pb.GetSecretSyncRequest, context: Context
    ) -> pb.SecretSync:
        return await self._app.read(
            lambda tx: self._shown(tx, lookups.secret_sync(tx, "name", request.name))
        )

    async def ListSecretSyncs(
        self, request: pb.ListSecretSyncsRequest, context: Context
    ) -> pb.ListSecretSyncsResponse:
        def work(tx: Transaction) -> pb.ListSecretSyncsResponse:
            page = syncs.list_secret_syncs(tx, request.parent, page_of(request))
            last = tx.runs.latest([sync.uid for sync in page.items])
            return pb.ListSecretSyncsResponse(
                secret_syncs=[sync_message(sync, last) for sync in page.items],
                next_page_token=page.next_token,
            )

        return await self._app.read(work)

    async def UpdateSecretSync(
        self, request: pb.UpdateSecretSyncRequest, context: Context
    ) -> pb.SecretSync:
        call = call_of(request, pb.SecretSync)
        earlier = await self._app.replay(call)
        if earlier is not None:
            return earlier
        wanted = request.secret_sync
        violations = Violations()
        call.check(violations)
        changes = _changes(wanted, request.update_mask.paths, violations)
        before, proved = await sync_settings.prove_changes(
            self._app, wanted.name, wanted.etag, changes, violations
        )
        return await self._app.mutate(
            call,
            lambda tx: self._shown(
                tx,
                syncs.update_secret_sync(self._app, tx, wanted.name, wanted.etag, before, proved),
            ),
        )

    async def DeleteSecretSync(
        self, request: pb.DeleteSecretSyncRequest, context: Context
    ) -> Empty:
        call = call_of(request, Empty)
        if request.remove_secrets:
            if await self._app.replay(call) is not None:
                return Empty()
            await runs.delete_with_secrets(
                self._app, request.name, request.etag, validate_only=request.validate_only
            )
            # There is nothing left to do but to remember the answer.
            return await self._app.mutate(call, lambda _: Empty())

        def work(tx: Transaction) -> Empty:
            runs.delete_secret_sync(tx, request.name, request.etag)
            return Empty()

        return await self._app.mutate(call, work)

    async def SyncSecrets(self, request: pb.SyncSecretsRequest, context: Context) -> pb.SyncRun:
        return await self._app.mutate(
            call_of(request, pb.SyncRun),
            lambda tx: self._run(runs.sync_secrets(self._app, tx, request.name)),
        )

    async def RemoveSecrets(self, request: pb.RemoveSecretsRequest, context: Context) -> pb.SyncRun:
        return await self._app.mutate(
            call_of(request, pb.SyncRun),
            lambda tx: self._run(runs.remove_secrets(self._app, tx, request.name)),
        )

    async def ImportSecrets(self, request: pb.ImportSecretsRequest, context: Context) -> pb.SyncRun:
        raise await self._app.read(lambda tx: runs.import_secrets(self._app, tx, request.name))

    async def PlanSecretSync(
        self, request: pb.PlanSecretSyncRequest, context: Context
    ) -> pb.SyncPlan:
        violations = Violations()
        action = planned_action(request.action, violations)
        return plan_message(
            await plans.plan_secret_sync(self._app, request.name, action, violations)
        )

    async def GetSyncRun(self, request: pb.GetSyncRunRequest, context: Context) -> pb.SyncRun:
        return self._run(await self._app.read(lambda tx: runs.get_run(tx, request.name)))

    async def ListSyncRuns(
        self, request: pb.ListSyncRunsRequest, context: Context
    ) -> pb.ListSyncRunsResponse:
        violations = Violations()
        only = filter_of(request, violations)
        page = await self._app.read(
            lambda tx: runs.list_runs(tx, request.parent, page_of(request), only, violations)
        )
        return pb.ListSyncRunsResponse(
            sync_runs=[self._run(run) for run in page.items], next_page_token=page.next_token
        )

    async def CancelSyncRun(self, request: pb.CancelSyncRunRequest, context: Context) -> pb.SyncRun:
        return await self._app.mutate(
            call_of(request, pb.SyncRun),
            lambda tx: self._run(runs.cancel_run(self._app, tx, request.name)),
        )

    async def ListDestinations(
        self, request: pb.ListDestinationsRequest, context: Context
    ) -> pb.ListDestinationsResponse:
        page = destinations.list_destinations(self._app, page_of(request))
        return pb.ListDestinationsResponse(
            destinations=[destination_message(each) for each in page.items],
            next_page_token=page.next_token,
        )

    async def GetDestination(
        self, request: pb.GetDestinationRequest, context: Context
    ) -> pb.Destination:
        return destination_message(destinations.get_destination(self._app, request.name))

    def _run(self, run: SyncRun) -> pb.SyncRun:
        return run_message(run, self._max_attempts, self._app.engine.progress(run.uid))

    def _shown(self, tx: Transaction, sync: SecretSync) -> pb.SecretSync:
        return sync_message(sync, tx.runs.latest([sync.uid]))


def _behavior(wanted: pb.SyncOptions, violations: Violations) -> InitialSyncBehavior:
    number = wanted.initial_sync_behavior
    if number not in BEHAVIORS:
        known = ", ".join(pb.InitialSyncBehavior.keys()[1:])
        violations.add("secret_sync.sync_options.initial_sync_behavior", f"must be one of {known}")
    return BEHAVIORS.get(number, InitialSyncBehavior.OVERWRITE_DESTINATION)


def _values(wanted: pb.SecretSync, violations: Violations) -> dict[str, Any]:
    """Return every field that can be changed, by its path in an update mask."""
    options = wanted.sync_options
    return {
        "description": wanted.description,
        "connection": wanted.connection,
        "source.environment": wanted.source.environment,
        "source.secret_path": wanted.source.secret_path or "/",
        "source.recursive": wanted.source.recursive,
        "destination_config": plain(
            wanted.destination_config, "secret_sync.destination_config", violations
        ),
        "sync_options.initial_sync_behavior": _behavior(options, violations),
        "sync_options.key_schema": options.key_schema,
        "sync_options.disable_secret_deletion": options.disable_secret_deletion,
        "is_enabled": wanted.is_enabled if wanted.HasField("is_enabled") else True,
        "is_auto_sync_enabled": (
            wanted.is_auto_sync_enabled if wanted.HasField("is_auto_sync_enabled") else True
        ),
    }


def _settings(wanted: pb.SecretSync, violations: Violations) -> SyncSettings:
    return sync_settings.apply_changes(SyncSettings(), _values(wanted, violations))


def _changes(wanted: pb.SecretSync, mask: Sequence[str], violations: Violations) -> dict[str, Any]:
    values = _values(wanted, violations)
    present = present_fields(wanted, values)
    for parent, message in (("source", wanted.source), ("sync_options", wanted.sync_options)):
        tails = [path.rpartition(".")[2] for path in values if path.startswith(f"{parent}.")]
        present |= {f"{parent}.{name}" for name in present_fields(message, tails)}
    return select_fields(mask, values, present, violations)


def sync_message(sync: SecretSync, last: LastRuns) -> pb.SecretSync:
    """Return a sync as the API shows it.

    Args:
        sync: the sync.
        last: its newest run of each action.
    """
    return pb.SecretSync(
        name=sync.name,
        uid=sync.uid,
        description=sync.description,
        destination=f"destinations/{sync.destination}",
        connection=f"projects/{sync.project}/connections/{sync.connection}",
        source=pb.SecretSource(
            environment=f"projects/{sync.project}/environments/{sync.environment}",
            secret_path=sync.secret_path,
            recursive=sync.recursive,
        ),
        destination_config=struct(sync.destination_config),
        sync_options=_options_message(sync.options),
        is_enabled=sync.is_enabled,
        is_auto_sync_enabled=sync.is_auto_sync_enabled,
        version=sync.version,
        etag=etag_of(sync),
        create_time=timestamp(sync.create_time),
        update_time=timestamp(sync.update_time),
        sync_status=status_message(last.get((sync.uid, RunAction.SYNC))),
        import_status=status_message(None),
        remove_status=status_message(last.get((sync.uid, RunAction.REMOVE))),
    )


def _options_message(options: SyncOptions) -> pb.SyncOptions:
    return pb.SyncOptions(
        initial_sync_behavior=SHOWN_BEHAVIORS[options.initial_sync_behavior],
        key_schema=options.key_schema,
        disable_secret_deletion=options.disable_secret_deletion,
    )
