"""Approve, then apply: a run does exactly what a plan says, or nothing, and says what moved."""

import asyncio
from typing import Any

import grpc
import pytest
from recording_destination import Recorder
from refusals import Refusal, invalid_fields, refused
from service_kit import SYNC, Service

from secretsync.adapter import PermissionDenied, Unavailable
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb

REQUIRED = pb.SyncOptions(require_approval=True)
AWAITING = pb.RUN_STATE_AWAITING_APPROVAL


async def plan_of(service: Service, action: pb.RunAction = pb.RUN_ACTION_SYNC) -> pb.SyncPlan:
    return await service.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=SYNC, action=action))


async def approve(service: Service, plan: pb.SyncPlan, **fields: Any) -> pb.SyncRun:  # noqa: ANN401
    kind = pb.RemoveSecretsRequest if plan.action == pb.RUN_ACTION_REMOVE else pb.SyncSecretsRequest
    request = kind(name=SYNC, fingerprint=plan.fingerprint, **fields)
    if isinstance(request, pb.RemoveSecretsRequest):
        return await service.syncs.RemoveSecrets(request)
    return await service.syncs.SyncSecrets(request)


def check_outdated(refusal: Refusal, moved: str) -> None:
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "PLAN_OUTDATED")
    assert refusal.metadata == {"resource": SYNC, "moved": moved}
    assert f"the {moved.replace(', ', ' and ')} moved since. Nothing was changed" in refusal.message


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with a secret and a sync that runs only when told to."""
    await shop.put({"A": "1"})
    await shop.add_sync(is_auto_sync_enabled=False)
    return shop


class TestFingerprints:
    """SyncSecrets and RemoveSecrets with the fingerprint of a plan."""

    async def test_what_was_planned_is_done(self, web: Service, recorder: Recorder) -> None:
        plan = await plan_of(web)
        run = await web.ended((await approve(web, plan)).name)
        assert (run.state, run.counts.created) == (pb.RUN_STATE_SUCCEEDED, 1)
        assert run.approved_fingerprint == plan.fingerprint
        assert recorder.held["web"] == {"A": "1"}
        removal = await plan_of(web, pb.RUN_ACTION_REMOVE)
        run = await web.ended((await approve(web, removal)).name)
        assert (run.action, run.state) == (pb.RUN_ACTION_REMOVE, pb.RUN_STATE_SUCCEEDED)
        assert recorder.held["web"] == {}

    @pytest.mark.parametrize("moved", ["source", "destination", "configuration"])
    async def test_what_has_moved_since_is_told(
        self, web: Service, recorder: Recorder, moved: str
    ) -> None:
        plan = await plan_of(web)
        if moved == "source":
            await web.put({"A": "2"})
        elif moved == "destination":
            recorder.version = "v2"
        else:
            await web.update_sync(sync_options=pb.SyncOptions(disable_secret_deletion=True))
        before = web.dump()
        check_outdated(await refused(approve(web, plan)), moved)
        assert web.dump() == before
        assert recorder.held["web"] == {}

    async def test_an_approved_sync_is_no_approved_removal(self, web: Service) -> None:
        plan = await plan_of(web)
        plan.action = pb.RUN_ACTION_REMOVE
        refusal = await refused(approve(web, plan))
        check_outdated(refusal, "configuration, source")

    async def test_what_moves_before_the_write_stops_the_run(
        self, web: Service, recorder: Recorder
    ) -> None:
        plan = await plan_of(web)
        recorder.open.clear()
        run = await approve(web, plan)
        await web.until(run.name, pb.RUN_STATE_RUNNING)
        recorder.version = "v2"
        recorder.open.set()
        ended = await web.ended(run.name)
        assert (ended.state, ended.error_reason) == (
            pb.RUN_STATE_FAILED,
            reasons.ERROR_REASON_PLAN_OUTDATED,
        )
        assert "the destination moved since. Nothing was changed" in ended.message
        assert ended.plan.destination_version == "v2"
        assert ended.plan.fingerprint != plan.fingerprint
        assert recorder.held["web"] == {}
        # What was looked at instead can be approved.
        after = await web.ended((await approve(web, ended.plan)).name)
        assert after.state == pb.RUN_STATE_SUCCEEDED

    async def test_an_attempt_that_could_not_begin_does_not_outdate_the_plan(
        self, web: Service, recorder: Recorder
    ) -> None:
        plan = await plan_of(web)
        recorder.failures["sync"] = [Unavailable("out of order")]
        run = await web.ended((await approve(web, plan)).name)
        assert (run.state, run.attempt) == (pb.RUN_STATE_SUCCEEDED, 2)

    async def test_no_fingerprint_at_all(self, web: Service) -> None:
        request = pb.SyncSecretsRequest(name="nonsense", fingerprint="f", request_id="x" * 300)
        fields = await invalid_fields(web.syncs.SyncSecrets(request))
        assert fields.keys() == {"name", "fingerprint", "request_id"}
        assert fields["fingerprint"] == (
            "must be the fingerprint of a plan, as PlanSecretSync returns it"
        )

    async def test_a_repeated_request_is_answered_once(self, web: Service) -> None:
        plan = await plan_of(web)
        first = await approve(web, plan, request_id="once")
        await web.ended(first.name)
        # By now the destination has moved, but the answer was given.
        assert (await approve(web, plan, request_id="once")).name == first.name
        assert len(await web.runs()) == 1

    async def test_a_dry_run_looks_whether_the_plan_holds(
        self, web: Service, recorder: Recorder
    ) -> None:
        plan = await plan_of(web)
        await approve(web, plan, validate_only=True)
        recorder.version = "v2"
        check_outdated(await refused(approve(web, plan, validate_only=True)), "destination")
        assert await web.runs() == []

    async def test_a_guard_counts_for_an_approved_plan_too(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.trigger()
        await web.delete("A")
        plan = await plan_of(web)
        assert plan.refusal.startswith("the source is empty")
        run = await web.ended((await approve(web, plan)).name)
        assert run.error_reason == reasons.ERROR_REASON_GUARD_TRIPPED
        assert recorder.held["web"] == {"A": "1"}
        run = await web.ended((await approve(web, plan, override_guards=True)).name)
        assert run.state == pb.RUN_STATE_SUCCEEDED
        assert recorder.held["web"] == {}

    async def test_a_destination_that_makes_no_plans(self, planless: Service) -> None:
        await planless.add_sync()
        request = pb.SyncSecretsRequest(name=SYNC, fingerprint=".".join(["0" * 32] * 4))
        assert (await refused(planless.syncs.SyncSecrets(request))).reason == "UNSUPPORTED"


class TestRequiredApproval:
    """A sync that writes nothing that nobody has approved."""

    async def test_a_change_at_the_source_only_makes_a_plan(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        created = await shop.add_sync(sync_options=REQUIRED)
        assert created.sync_options.require_approval
        (waiting,) = await shop.quiet()
        assert (waiting.state, waiting.trigger) == (AWAITING, pb.RUN_TRIGGER_CREATE)
        assert waiting.message == "its plan waits for approval: nothing was changed"
        assert not waiting.error_reason
        assert recorder.held["web"] == {}
        status = (await shop.sync()).sync_status
        assert (status.state, status.last_run) == (AWAITING, waiting.name)

        waiting = await shop.run(waiting.name)
        assert waiting.plan.counts.create == 1
        assert waiting.plan.fingerprint == (await plan_of(shop)).fingerprint
        resumed = await approve(shop, waiting.plan)
        assert resumed.name == waiting.name
        run = await shop.ended(resumed.name)
        assert (run.state, run.trigger) == (pb.RUN_STATE_SUCCEEDED, pb.RUN_TRIGGER_CREATE)
        assert (run.HasField("plan"), run.approved_fingerprint) == (False, waiting.plan.fingerprint)
        assert recorder.held["web"] == {"A": "1"}

    async def test_a_check_that_waits_gives_way_to_what_is_approved(self, web: Service) -> None:
        await web.update_sync(sync_options=REQUIRED)
        waiting = await web.trigger()
        plan = (await web.run(waiting.name)).plan
        await web.pause()
        check = await web.syncs.CheckDrift(pb.CheckDriftRequest(name=SYNC))
        assert (await approve(web, plan)).name == waiting.name
        assert (await web.run(check.name)).error_reason == reasons.ERROR_REASON_SUPERSEDED
        await web.resume()
        assert (await web.ended(waiting.name)).state == pb.RUN_STATE_SUCCEEDED

    async def test_a_newer_plan_takes_the_older_ones_place(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.add_sync(sync_options=REQUIRED)
        await shop.quiet()
        await shop.put({"A": "1"})
        first = (await shop.quiet())[-1]
        await shop.put({"B": "2"})
        runs = await shop.quiet()
        assert [run.state for run in runs] == [
            pb.RUN_STATE_SUCCEEDED,
            pb.RUN_STATE_FAILED,
            AWAITING,
        ]
        assert runs[1].error_reason == reasons.ERROR_REASON_SUPERSEDED
        assert runs[1].message.endswith(runs[2].name)
        outdated = (await shop.run(first.name)).plan
        check_outdated(await refused(approve(shop, outdated)), "source")
        # With the change taken back there is nothing to do, and nothing to approve.
        await shop.delete("A", "B")
        runs = await shop.quiet()
        assert [run.state for run in runs[2:]] == [pb.RUN_STATE_FAILED, pb.RUN_STATE_SUCCEEDED]
        assert recorder.held["web"] == {}

    async def test_a_run_by_hand_waits_too(self, web: Service, recorder: Recorder) -> None:
        await web.update_sync(sync_options=REQUIRED)
        assert (await web.trigger()).state == AWAITING
        assert (await web.remove()).state == pb.RUN_STATE_SUCCEEDED  # there is nothing to remove
        assert recorder.held["web"] == {}

    async def test_a_removal_waits_too(self, web: Service, recorder: Recorder) -> None:
        await web.trigger()
        await web.update_sync(sync_options=REQUIRED)
        waiting = await web.run((await web.remove()).name)
        assert (waiting.state, waiting.plan.action) == (AWAITING, pb.RUN_ACTION_REMOVE)
        deletion = pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True)
        refusal = await refused(web.syncs.DeleteSecretSync(deletion))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "APPROVAL_REQUIRED",
        )
        assert recorder.held["web"] == {"A": "1"}
        assert (await approve(web, waiting.plan)).name == waiting.name
        assert (await web.ended(waiting.name)).state == pb.RUN_STATE_SUCCEEDED
        assert recorder.held["web"] == {}
        await web.syncs.DeleteSecretSync(deletion)

    async def test_approval_required_while_a_deletion_waits(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.trigger()
        recorder.failures["remove"] = [Unavailable("later")] * 3
        deletion = asyncio.create_task(
            refused(
                web.syncs.DeleteSecretSync(
                    pb.DeleteSecretSyncRequest(name=SYNC, remove_secrets=True)
                )
            )
        )
        await web.removal()
        await web.update_sync(sync_options=REQUIRED)
        refusal = await deletion
        assert refusal.reason == "REMOVAL_FAILED"
        assert "its plan waits for approval" in refusal.message
        assert recorder.held["web"] == {"A": "1"}
        # Whoever approves the removal later approves nothing else: the sync stays.
        waiting = await web.run((await web.sync()).remove_status.last_run)
        assert (await web.ended((await approve(web, waiting.plan)).name)).counts.deleted == 1
        assert (await web.sync()).remove_status.state == pb.RUN_STATE_SUCCEEDED

    async def test_approval_required_while_a_run_is_under_way(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        recorder.open.clear()
        await shop.add_sync()
        [begun] = await shop.runs()
        await shop.until(begun.name, pb.RUN_STATE_RUNNING)
        await shop.update_sync(sync_options=REQUIRED)
        recorder.open.set()
        stopped, waiting = await shop.quiet()
        assert stopped.error_reason == reasons.ERROR_REASON_SUPERSEDED
        assert stopped.message == f"a newer run took its place: {waiting.name}"
        [attempt] = (await shop.run(stopped.name)).attempts
        assert attempt.outcome == pb.ATTEMPT_OUTCOME_HELD_BACK
        assert "was made to require approval while this run was under way" in attempt.message
        assert (waiting.state, waiting.trigger) == (AWAITING, pb.RUN_TRIGGER_UPDATE)
        assert recorder.held["web"] == {}

    async def test_what_a_run_has_done_before_it_had_to_wait_is_told(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.put({"B": "2", "C": "3"})
        recorder.refused = {"B"}
        recorder.then_close = True
        run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        await web.failed_once(run.name)
        await web.pause()
        recorder.open.set()
        await web.until(run.name, pb.RUN_STATE_PENDING)
        await web.update_sync(sync_options=REQUIRED)
        await web.resume()
        waiting = await web.ended(run.name)
        assert waiting.state == AWAITING
        assert waiting.message == (
            "its plan waits for approval: an earlier attempt of this run has done a part"
        )
        assert (waiting.counts.created, waiting.plan.counts.create) == (2, 1)

    async def test_guards_that_were_overridden_stay_so_with_the_approval(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.trigger()
        await web.update_sync(sync_options=REQUIRED)
        await web.delete("A")
        request = pb.SyncSecretsRequest(name=SYNC, override_guards=True)
        waiting = await web.ended((await web.syncs.SyncSecrets(request)).name)
        assert (waiting.state, waiting.plan.counts.delete) == (AWAITING, 1)
        run = await web.ended((await approve(web, waiting.plan)).name)
        assert (run.name, run.state) == (waiting.name, pb.RUN_STATE_SUCCEEDED)
        assert recorder.held["web"] == {}

    async def test_a_plan_is_refused_by_cancelling_its_run(self, web: Service) -> None:
        await web.update_sync(sync_options=REQUIRED)
        waiting = await web.trigger()
        run = await web.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=waiting.name))
        assert (run.state, run.error_reason) == (
            pb.RUN_STATE_FAILED,
            reasons.ERROR_REASON_CANCELLED,
        )
        assert run.message == "cancelled while its plan waited for approval"
        plan = (await web.run(run.name)).plan
        # Whoever changes their mind can still do what it says.
        after = await web.ended((await approve(web, plan)).name)
        assert (after.state, after.name != run.name) == (pb.RUN_STATE_SUCCEEDED, True)

    async def test_a_failed_run_leaves_the_plan_that_waits(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.update_sync(sync_options=REQUIRED)
        waiting = await web.trigger()
        recorder.failures["sync"] = [PermissionDenied("no")]
        assert (await web.trigger()).state == pb.RUN_STATE_FAILED
        waiting = await web.run(waiting.name)
        assert waiting.state == AWAITING
        # The newest run tells how a sync stands, so it is a new one that does what is approved.
        run = await web.ended((await approve(web, waiting.plan)).name)
        assert (run.name != waiting.name, run.state) == (True, pb.RUN_STATE_SUCCEEDED)
        status = (await web.sync()).sync_status
        assert (status.state, status.last_run) == (pb.RUN_STATE_SUCCEEDED, run.name)
        ended = await web.run(waiting.name)
        assert ended.error_reason == reasons.ERROR_REASON_SUPERSEDED

    async def test_a_change_whose_plan_others_came_after_is_not_forgotten(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        await shop.add_sync(sync_options=REQUIRED)
        [waiting] = await shop.quiet()
        plan = (await shop.run(waiting.name)).plan
        recorder.failures["sync"] = [PermissionDenied("no")]
        assert (await shop.trigger()).state == pb.RUN_STATE_FAILED
        recorder.open.clear()
        run = await approve(shop, plan)
        await shop.until(run.name, pb.RUN_STATE_RUNNING)
        recorder.version = "v2"
        recorder.open.set()
        runs = await shop.quiet()
        assert runs[2].error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
        assert (runs[3].state, runs[3].trigger) == (AWAITING, pb.RUN_TRIGGER_CREATE)

    async def test_a_change_does_not_take_the_place_of_a_removal_that_waits(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        await shop.add_sync()
        await shop.quiet()
        await shop.update_sync(sync_options=REQUIRED)
        await shop.quiet()
        removal = await shop.remove()
        await shop.put({"A": "2"})
        assert (await shop.quiet())[-1].name == removal.name
        assert (await shop.run(removal.name)).state == AWAITING
        await shop.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=removal.name))
        change = (await shop.quiet())[-1]
        assert (change.state, change.trigger) == (AWAITING, pb.RUN_TRIGGER_SOURCE_CHANGE)
        assert recorder.held["web"] == {"A": "1"}

    async def test_what_a_refused_removal_took_the_place_of_is_planned_again(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        await shop.add_sync()
        await shop.quiet()
        await shop.update_sync(sync_options=REQUIRED)
        await shop.quiet()
        await shop.put({"A": "2"})
        change = (await shop.quiet())[-1]
        assert (change.state, change.trigger) == (AWAITING, pb.RUN_TRIGGER_SOURCE_CHANGE)
        removal = await shop.remove()
        assert removal.state == AWAITING
        assert (await shop.run(change.name)).error_reason == reasons.ERROR_REASON_SUPERSEDED
        await shop.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=removal.name))
        anew = (await shop.quiet())[-1]
        assert (anew.state, anew.trigger) == (AWAITING, pb.RUN_TRIGGER_SOURCE_CHANGE)
        await shop.ended((await approve(shop, (await shop.run(anew.name)).plan)).name)
        assert recorder.held["web"] == {"A": "2"}

    async def test_an_approved_plan_that_is_outdated_is_made_anew(
        self, shop: Service, recorder: Recorder
    ) -> None:
        await shop.put({"A": "1"})
        await shop.add_sync(sync_options=REQUIRED)
        (waiting,) = await shop.quiet()
        plan = (await shop.run(waiting.name)).plan
        recorder.open.clear()
        await approve(shop, plan)
        await shop.until(waiting.name, pb.RUN_STATE_RUNNING)
        recorder.version = "v2"
        recorder.open.set()
        failed, anew = await shop.quiet()
        assert failed.error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
        assert (anew.state, anew.trigger) == (AWAITING, pb.RUN_TRIGGER_CREATE)
        assert recorder.held["web"] == {}

    async def test_a_destination_that_makes_no_plans_cannot_wait_for_approval(
        self, planless: Service
    ) -> None:
        refusal = await refused(planless.add_sync(sync_options=REQUIRED))
        assert refusal.reason == "UNSUPPORTED"
        await planless.add_sync()
        refusal = await refused(planless.update_sync(sync_options=REQUIRED))
        assert "leave sync_options.require_approval unset" in refusal.message


class TestTheQueue:
    """Runs that keep to a plan, among others of the same sync: nothing that was asked is lost."""

    async def test_a_change_while_it_waits_is_carried_over_if_it_fails(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.update_sync(["is_auto_sync_enabled"], is_auto_sync_enabled=True)
        await web.quiet()
        recorder.open.clear()
        busy = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        await web.until(busy.name, pb.RUN_STATE_RUNNING)
        approved = await approve(web, await plan_of(web))
        await web.put({"A": "3"})
        recorder.open.set()
        runs = await web.quiet()
        assert [run.name for run in runs[-3:-1]] == [busy.name, approved.name]
        assert runs[-2].error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
        assert runs[-1].trigger == pb.RUN_TRIGGER_SOURCE_CHANGE
        assert recorder.held["web"] == {"A": "3"}

    async def test_asking_for_a_plain_run_takes_its_place(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.open.clear()
        busy = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        await web.until(busy.name, pb.RUN_STATE_RUNNING)
        plan = await plan_of(web)
        approved = await approve(web, plan)
        assert (await approve(web, plan)).name == approved.name
        plain = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        assert plain.name != approved.name
        assert (await web.run(approved.name)).error_reason == reasons.ERROR_REASON_SUPERSEDED
        other = await approve(web, await plan_of(web))
        assert (await web.run(plain.name)).error_reason == reasons.ERROR_REASON_SUPERSEDED
        recorder.open.set()
        assert (await web.ended(busy.name)).state == pb.RUN_STATE_SUCCEEDED
        # The plan was made while the other run was under way, which has changed the destination;
        # the plain run whose place it took is made up for.
        ended = await web.ended(other.name)
        assert ended.error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
        last = (await web.quiet())[-1]
        assert (last.trigger, last.state) == (pb.RUN_TRIGGER_MANUAL, pb.RUN_STATE_SUCCEEDED)
