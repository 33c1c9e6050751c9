"""SecretSyncService: the syncs themselves and their runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from google.protobuf.empty_pb2 import Empty

from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.problems import Violations
from secretsync.engine.queue import RunTerms
from secretsync.operations import (
    checks,
    destinations,
    former_places,
    lookups,
    overlaps,
    pauses,
    plans,
    runs,
    sync_keys,
    sync_settings,
    syncs,
    watching,
)
from secretsync.operations.app import App, Call
from secretsync.operations.standings import standings
from secretsync.services.destinations import destination_message
from secretsync.services.overlaps import check_choice, check_message
from secretsync.services.pauses import pause_message, pause_messages
from secretsync.services.plans import plan_message, planned_action
from secretsync.services.runs import filter_of, run_message
from secretsync.services.sync_keys import key_message, states_of
from secretsync.services.sync_messages import (
    changes_of_request,
    settings_of_request,
    sync_message,
)
from secretsync.services.translate import Context, call_of, page_of
from secretsync.services.watching import change_message
from secretsync.store.protocol import Transaction
from secretsync.v1 import pause_pb2 as pause_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceServicer


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
        settings = settings_of_request(request.secret_sync, violations)
        proved = await sync_settings.prove_settings(
            self._app, parent, settings, violations, slug=slug
        )

        def work(tx: Transaction) -> pb.SecretSync:
            sync = syncs.create_secret_sync(self._app, tx, parent, slug, proved)
            warnings = overlaps.check_saved(self._app, tx, sync, None, proved.settings)
            return self._shown(tx, sync, warnings)

        return await self._app.mutate(call, work)

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
            found = standings(tx, page.items)
            return pb.ListSecretSyncsResponse(
                secret_syncs=[sync_message(sync, found[sync.uid]) for sync in page.items],
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
        changes = changes_of_request(wanted, request.update_mask.paths, violations)
        before, proved = await sync_settings.prove_changes(
            self._app, wanted.name, wanted.etag, changes, violations
        )

        def work(tx: Transaction) -> pb.SecretSync:
            sync = syncs.update_secret_sync(self._app, tx, wanted.name, wanted.etag, before, proved)
            warnings = overlaps.check_saved(self._app, tx, sync, before, proved.settings)
            return self._shown(tx, sync, warnings)

        return await self._app.mutate(call, work)

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
        call = call_of(request, pb.SyncRun)
        earlier = await self._approved(call, request.name, RunAction.SYNC, request.fingerprint)
        if earlier is not None:
            return earlier
        terms = RunTerms(fingerprint=request.fingerprint, override_guards=request.override_guards)
        return await self._app.mutate(
            call, lambda tx: self._run(tx, runs.sync_secrets(self._app, tx, request.name, terms))
        )

    async def RemoveSecrets(self, request: pb.RemoveSecretsRequest, context: Context) -> pb.SyncRun:
        call = call_of(request, pb.SyncRun)
        earlier = await self._approved(call, request.name, RunAction.REMOVE, request.fingerprint)
        if earlier is not None:
            return earlier
        terms = RunTerms(fingerprint=request.fingerprint)
        return await self._app.mutate(
            call, lambda tx: self._run(tx, runs.remove_secrets(self._app, tx, request.name, terms))
        )

    async def _approved(
        self, call: Call[pb.SyncRun], name: str, action: RunAction, fingerprint: str
    ) -> pb.SyncRun | None:
        """Return the first answer to a repeated request; make sure that what is approved holds."""
        if not fingerprint:
            return None
        earlier = await self._app.replay(call)
        if earlier is None:
            violations = Violations()
            call.check(violations)
            await plans.check_approved(self._app, name, action, fingerprint, violations)
        return earlier

    async def CleanUpSecretSync(
        self, request: pb.CleanUpSecretSyncRequest, context: Context
    ) -> pb.CleanUpSecretSyncResponse:
        def work(tx: Transaction) -> pb.CleanUpSecretSyncResponse:
            queued = former_places.clean_up(self._app, tx, request.name)
            return pb.CleanUpSecretSyncResponse(sync_runs=[self._run(tx, run) for run in queued])

        return await self._app.mutate(call_of(request, pb.CleanUpSecretSyncResponse), work)

    async def ForgetFormerPlace(
        self, request: pb.ForgetFormerPlaceRequest, context: Context
    ) -> pb.SecretSync:
        behind = request.leave_secrets_behind
        return await self._app.mutate(
            call_of(request, pb.SecretSync),
            lambda tx: self._shown(
                tx,
                former_places.forget(self._app, tx, request.name, leave_secrets_behind=behind),
            ),
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

    async def CheckDestination(
        self, request: pb.CheckDestinationRequest, context: Context
    ) -> pb.CheckDestinationResponse:
        violations = Violations()
        check_choice(request, violations)
        violations.raise_if_any()
        if request.name:
            found = await self._app.read(
                lambda tx: overlaps.check_existing(self._app, tx, request.name)
            )
        else:
            settings = settings_of_request(request.secret_sync, violations)
            found = await self._app.read(
                lambda tx: overlaps.check_new(self._app, tx, request.parent, settings, violations)
            )
        return check_message(found)

    async def CheckDrift(self, request: pb.CheckDriftRequest, context: Context) -> pb.SyncRun:
        return await self._app.mutate(
            call_of(request, pb.SyncRun),
            lambda tx: self._run(tx, checks.check_drift(self._app, tx, request.name)),
        )

    async def GetSyncRun(self, request: pb.GetSyncRunRequest, context: Context) -> pb.SyncRun:
        return await self._app.read(lambda tx: self._run(tx, runs.get_run(tx, request.name)))

    async def ListSyncRuns(
        self, request: pb.ListSyncRunsRequest, context: Context
    ) -> pb.ListSyncRunsResponse:
        violations = Violations()
        only = filter_of(request, violations)

        def work(tx: Transaction) -> pb.ListSyncRunsResponse:
            page = runs.list_runs(tx, request.parent, page_of(request), only, violations)
            return pb.ListSyncRunsResponse(
                sync_runs=[self._run(tx, run) for run in page.items],
                next_page_token=page.next_token,
            )

        return await self._app.read(work)

    async def ListSyncKeys(
        self, request: pb.ListSyncKeysRequest, context: Context
    ) -> pb.ListSyncKeysResponse:
        violations = Violations()
        states = states_of(request, violations)
        page = await self._app.read(
            lambda tx: sync_keys.list_keys(tx, request.parent, page_of(request), states, violations)
        )
        return pb.ListSyncKeysResponse(
            sync_keys=[key_message(key, request.parent) for key in page.items],
            next_page_token=page.next_token,
        )

    async def CancelSyncRun(self, request: pb.CancelSyncRunRequest, context: Context) -> pb.SyncRun:
        return await self._app.mutate(
            call_of(request, pb.SyncRun),
            lambda tx: self._run(tx, runs.cancel_run(self._app, tx, request.name)),
        )

    async def PauseSyncing(
        self, request: pb.PauseSyncingRequest, context: Context
    ) -> pause_pb.Pause:
        return await self._app.mutate(
            call_of(request, pause_pb.Pause),
            lambda tx: pause_message(
                pauses.pause_syncing(self._app, tx, request.name, request.reason)
            ),
        )

    async def ResumeSyncing(self, request: pb.ResumeSyncingRequest, context: Context) -> Empty:
        def work(tx: Transaction) -> Empty:
            pauses.resume_syncing(tx, request.name)
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)

    async def ListPauses(
        self, request: pb.ListPausesRequest, context: Context
    ) -> pb.ListPausesResponse:
        page = await self._app.read(lambda tx: pauses.list_pauses(tx, page_of(request)))
        return pb.ListPausesResponse(
            pauses=pause_messages(page.items), next_page_token=page.next_token
        )

    async def WatchSecretSyncs(
        self, request: pb.WatchSecretSyncsRequest, context: Context
    ) -> AsyncIterator[pb.WatchSecretSyncsResponse]:
        stream = watching.watch(self._app, request.parent, request.cursor, self._shown)
        async with aclosing(stream) as changes:
            async for change in changes:
                yield change_message(change, self._max_attempts)

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

    def _run(self, tx: Transaction, run: SyncRun) -> pb.SyncRun:
        progress = self._app.engine.progress(run.uid)
        return run_message(run, self._max_attempts, progress, pauses.pauses_of_run(tx, run))

    def _shown(
        self, tx: Transaction, sync: SecretSync, warnings: Sequence[str] = ()
    ) -> pb.SecretSync:
        return sync_message(sync, standings(tx, [sync])[sync.uid], warnings)
