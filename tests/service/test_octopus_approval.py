"""Guards and approved plans against Octopus Deploy, while others edit the same variables."""

import asyncio

import pytest
from refusals import refused
from service_kit import SYNC, Service, struct, wait_for

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-2"
PLACE = struct({"spaceId": "Spaces-1", "projectId": "Projects-2"})
FOREIGN = {"Name": "Theirs", "Value": "theirs", "Type": "String", "Scope": {}}


def names(sandbox: Sandbox) -> set[str]:
    return {row["Name"] for row in sandbox.inspect(SET)["Variables"]}


def writes(sandbox: Sandbox) -> int:
    return [each.method for each in sandbox.requests()].count("PUT")


@pytest.fixture
async def manual(octopus: Service) -> Service:
    """A server with two secrets and a sync to Octopus that runs only when told to."""
    await octopus.put({"A": "1", "B": "2"})
    await octopus.add_sync(destination_config=PLACE, is_auto_sync_enabled=False)
    return octopus


async def plan_of(service: Service) -> pb.SyncPlan:
    return await service.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=SYNC))


async def test_an_approved_plan_is_one_write(manual: Service, sandbox: Sandbox) -> None:
    plan = await plan_of(manual)
    sandbox.clear_requests()
    request = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    run = await manual.ended((await manual.syncs.SyncSecrets(request)).name)
    assert run.state == pb.RUN_STATE_SUCCEEDED
    assert names(sandbox) == {"A", "B"}
    assert [each.method for each in sandbox.requests()] == ["GET", "GET", "PUT", "GET"]


async def test_an_edit_by_somebody_else_outdates_a_plan(manual: Service, sandbox: Sandbox) -> None:
    plan = await plan_of(manual)
    sandbox.put_variables(SET, [FOREIGN])
    sandbox.clear_requests()
    request = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    refusal = await refused(manual.syncs.SyncSecrets(request))
    assert (refusal.reason, refusal.metadata["moved"]) == ("PLAN_OUTDATED", "destination")
    assert (names(sandbox), writes(sandbox)) == ({"Theirs"}, 0)


async def test_what_follows_from_a_change_here_is_not_told_as_one_there(manual: Service) -> None:
    async def moved(plan: pb.SyncPlan) -> str:
        request = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
        return (await refused(manual.syncs.SyncSecrets(request))).metadata["moved"]

    await manual.trigger()
    await manual.delete("A")
    plan = await plan_of(manual)
    await manual.put({"C": "3"})
    assert await moved(plan) == "source"
    plan = await plan_of(manual)
    await manual.update_sync(sync_options=pb.SyncOptions(disable_secret_deletion=True))
    assert await moved(plan) == "configuration"
    plan = await plan_of(manual)
    await manual.update_sync(sync_options=pb.SyncOptions(key_schema="X_{{secretKey}}"))
    assert await moved(plan) == "configuration"


async def test_an_edit_between_our_read_and_our_write(manual: Service, sandbox: Sandbox) -> None:
    plan = await plan_of(manual)
    # Two reads pass, that of the call and that of the run; the run's answer comes late.
    sandbox.fault("delay", method="GET", path="/variables$", skip=1, seconds=1.0, after=True)
    request = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    run = await manual.syncs.SyncSecrets(request)

    async def read() -> bool | None:
        return None if await asyncio.to_thread(sandbox.faults) else True

    await wait_for(read)
    sandbox.put_variables(SET, [FOREIGN])
    ended = await manual.ended(run.name)
    assert ended.error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
    assert "the destination moved since" in ended.message
    assert names(sandbox) == {"Theirs"}
    # The write was refused, and read and merged again: then it was not what was approved.
    assert [each.status_code for each in ended.http_requests] == [200, 400, 200]


async def test_a_wipe_is_stopped(manual: Service, sandbox: Sandbox) -> None:
    await manual.put({f"K{number}": "v" for number in range(10)})
    await manual.trigger()
    before = names(sandbox)
    await manual.delete(*(f"K{number}" for number in range(10)))
    sandbox.clear_requests()
    run = await manual.trigger()
    assert run.error_reason == reasons.ERROR_REASON_GUARD_TRIPPED
    assert (run.plan.counts.delete, run.plan.counts.unchanged) == (10, 2)
    assert (names(sandbox), writes(sandbox)) == (before, 0)
    # A run that was stopped has written nothing, so the values are as certain as before.
    await manual.put({f"K{number}": "v" for number in range(10)})
    assert (await manual.trigger()).message == "12 unchanged"


async def test_a_first_run_that_would_delete_what_others_made(
    octopus: Service, sandbox: Sandbox
) -> None:
    foreign = [
        {"Name": f"APP_{number}", "Value": "v", "Type": "Sensitive", "Scope": {}}
        for number in range(9)
    ]
    sandbox.put_variables(SET, foreign)
    await octopus.put({"A": "1"})
    options = pb.SyncOptions(key_schema="APP_{{secretKey}}")
    await octopus.add_sync(destination_config=PLACE, sync_options=options)
    (run,) = await octopus.quiet()
    assert run.error_reason == reasons.ERROR_REASON_GUARD_TRIPPED
    assert "9 secrets would be deleted of 9" in run.message
    assert len(names(sandbox)) == 9
    request = pb.SyncSecretsRequest(name=SYNC, override_guards=True)
    run = await octopus.ended((await octopus.syncs.SyncSecrets(request)).name)
    assert run.counts.deleted == 9
    assert names(sandbox) == {"APP_A"}


async def test_a_new_key_schema_is_no_wipe(manual: Service, sandbox: Sandbox) -> None:
    await manual.put({f"K{number}": "v" for number in range(10)})
    await manual.trigger()
    await manual.update_sync(sync_options=pb.SyncOptions(key_schema="X_{{secretKey}}"))
    assert (await manual.trigger()).counts.deleted == 12
    assert {name.removeprefix("X_")[0] for name in names(sandbox)} == {"A", "B", "K"}


async def test_what_somebody_else_deleted_does_not_hide_a_wipe(
    manual: Service, sandbox: Sandbox
) -> None:
    keys = [f"K{number}" for number in range(10)]
    await manual.put(dict.fromkeys(keys, "v"))
    await manual.trigger()
    # What is gone without our doing is remembered, should it show up again.
    sandbox.put_variables(SET, [])
    await manual.update_sync(sync_options=pb.SyncOptions(key_schema="X_{{secretKey}}"))
    assert (await manual.trigger()).counts.created == 12
    await manual.delete(*keys)
    run = await manual.trigger()
    assert run.error_reason == reasons.ERROR_REASON_GUARD_TRIPPED
    assert "10 secrets would be deleted of 12" in run.message
    assert len(names(sandbox)) == 12


async def test_a_write_that_got_no_answer_is_told(manual: Service, sandbox: Sandbox) -> None:
    plan = await plan_of(manual)
    sandbox.fault("cut_connection", method="PUT", after=True)
    request = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    ended = await manual.ended((await manual.syncs.SyncSecrets(request)).name)
    # It took place, so the set is not what the plan was made for any more.
    assert ended.error_reason == reasons.ERROR_REASON_PLAN_OUTDATED
    assert "A write of this run that came to no result may have taken place" in ended.message
    assert names(sandbox) == {"A", "B"}
    # Nothing of it is trusted: the values are written again, once that is approved.
    plan = await plan_of(manual)
    assert (plan.counts.update, plan.counts.unchanged) == (2, 0)
    request.fingerprint = plan.fingerprint
    ended = await manual.ended((await manual.syncs.SyncSecrets(request)).name)
    assert ended.counts.created + ended.counts.updated == 2
