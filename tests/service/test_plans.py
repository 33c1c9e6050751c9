"""PlanSecretSync: what a run would do, told without any of it being done or remembered."""

import asyncio
from typing import Any

import grpc
import pytest
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SYNC, Service, struct

from secretsync.adapter import InvalidConfig, NotFound, RateLimited
from secretsync.domain.plans import moved_since
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-2"
PLACE = {"spaceId": "Spaces-1", "projectId": "Projects-2"}


async def planned(
    service: Service, action: int = pb.RUN_ACTION_UNSPECIFIED, name: str = SYNC
) -> pb.SyncPlan:
    request = pb.PlanSecretSyncRequest(name=name, action=action)  # type: ignore[arg-type]
    return await service.syncs.PlanSecretSync(request)


def kinds(plan: pb.SyncPlan) -> dict[str, str]:
    return {
        each.destination_name: pb.ChangeKind.Name(each.kind).removeprefix("CHANGE_KIND_").lower()
        for each in plan.changes
    }


async def quiet_sync(service: Service, **fields: Any) -> None:  # noqa: ANN401
    """Create a sync that runs only when it is told to."""
    await service.add_sync(is_auto_sync_enabled=False, **fields)


async def test_a_plan_tells_and_changes_nothing(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1", "B": "2", "C": "3"})
    await quiet_sync(shop)
    await shop.trigger()
    await shop.put({"A": "new", "D": "4"})
    await shop.delete("C")
    recorder.version, recorder.warnings = "v7", ("Look.",)
    before, held = shop.dump(), {place: dict(names) for place, names in recorder.held.items()}
    plan = await planned(shop)
    assert kinds(plan) == {"A": "update", "B": "unchanged", "C": "delete", "D": "create"}
    assert [each.destination_name for each in plan.changes] == ["A", "B", "C", "D"]
    assert (plan.secret_sync, plan.action) == (SYNC, pb.RUN_ACTION_SYNC)
    assert plan.counts == pb.ChangeCounts(create=1, update=1, delete=1, unchanged=1)
    assert (plan.destination_version, list(plan.warnings)) == ("v7", ["Look."])
    assert plan.refusal == ""
    assert plan.plan_time.ToNanoseconds() > 0
    assert shop.dump() == before
    assert recorder.held == held

    removal = await planned(shop, pb.RUN_ACTION_REMOVE)
    assert removal.action == pb.RUN_ACTION_REMOVE
    assert kinds(removal) == {"A": "delete", "B": "delete", "C": "delete"}
    assert shop.dump() == before


async def test_the_adapter_is_given_what_a_run_would_be_given(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"A": "1"})
    await quiet_sync(shop, sync_options=pb.SyncOptions(key_schema="X_{{secretKey}}"))
    for _ in range(2):
        await planned(shop)
        await shop.trigger()
    for plan, run in zip(recorder.calls("plan"), recorder.calls("sync"), strict=True):
        for field in (
            "config",
            "credentials",
            "ledger",
            "claimed_by_others",
            "known_versions",
            "desired",
            "delete_missing",
        ):
            assert getattr(plan.run, field) == getattr(run, field), field
        assert plan.run.written_from.keys() == run.written_from.keys()
        assert [plan.run.claims(name) for name in ("X_B", "B")] == [
            run.claims(name) for name in ("X_B", "B")
        ]


async def test_a_plan_records_no_intents(
    shop: Service, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    await quiet_sync(shop)
    recorder.plans_badly = True
    before = shop.dump()
    refusal = await refused(planned(shop))
    assert refusal.code == grpc.StatusCode.INTERNAL
    assert shop.dump() == before
    assert "PlanOnlyError" in caplog.text


async def test_each_change_has_a_reason(shop: Service) -> None:
    await shop.put({"A": "1"})
    await quiet_sync(shop)
    assert [each.reason for each in (await planned(shop)).changes] == ["it is not there yet"]
    await shop.trigger()
    removal = await planned(shop, pb.RUN_ACTION_REMOVE)
    assert [each.reason for each in removal.changes] == ["this sync has written it"]


async def test_fingerprints_tell_what_has_moved(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1"})
    await quiet_sync(shop)
    first = (await planned(shop)).fingerprint

    async def moved() -> list[str]:
        return list(moved_since(first, (await planned(shop)).fingerprint))

    assert await moved() == []
    await shop.update_sync(description="other words")
    assert await moved() == []
    await shop.put({"A": "2"})
    assert await moved() == ["source"]
    await shop.put({"A": "1"})
    assert await moved() == []
    recorder.version = "v8"
    assert await moved() == ["destination"]
    recorder.version, recorder.refusal = None, "No."
    assert await moved() == ["destination"]
    recorder.refusal = ""
    await shop.update_sync(sync_options=pb.SyncOptions(disable_secret_deletion=True))
    assert await moved() == ["configuration"]
    await shop.update_sync(["sync_options"])
    assert await moved() == []
    await shop.trigger()
    assert await moved() == ["destination"]


async def test_fingerprints_of_actions_and_syncs_differ(shop: Service) -> None:
    await shop.add_sync(
        "one", is_auto_sync_enabled=False, destination_config=struct({"place": "x"})
    )
    await shop.add_sync(
        "two", is_auto_sync_enabled=False, destination_config=struct({"place": "x"})
    )
    found = {
        (await planned(shop, action, f"projects/shop/secretSyncs/{slug}")).fingerprint
        for action in (pb.RUN_ACTION_SYNC, pb.RUN_ACTION_REMOVE)
        for slug in ("one", "two")
    }
    assert len(found) == 4


async def test_a_refusal_is_part_of_the_plan(shop: Service, recorder: Recorder) -> None:
    await quiet_sync(shop)
    recorder.refusal = "Another sync owns A."
    assert (await planned(shop)).refusal == "Another sync owns A."
    recorder.refusal, recorder.warnings = "long" * 10_000, ("many",) * 200
    plan = await planned(shop)
    assert (len(plan.refusal), len(plan.warnings)) == (8003, 101)


async def test_disabled_syncs_and_runs_under_way_are_warned_of(
    shop: Service, recorder: Recorder
) -> None:
    await quiet_sync(shop, is_enabled=False)
    (warning,) = (await planned(shop)).warnings
    assert warning.startswith("The sync is disabled")
    assert list((await planned(shop, pb.RUN_ACTION_REMOVE)).warnings) == []
    await shop.update_sync(is_enabled=True)
    recorder.open.clear()
    run = await shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await shop.until(run.name, pb.RUN_STATE_RUNNING)
    (warning,) = (await planned(shop)).warnings
    assert warning.startswith("A run of this sync is under way")
    recorder.open.set()
    await shop.ended(run.name)
    assert list((await planned(shop)).warnings) == []


async def test_what_is_wrong_with_the_request(shop: Service) -> None:
    assert await invalid_fields(planned(shop, 99, "nonsense")) == {
        "action": "must be one of RUN_ACTION_SYNC, RUN_ACTION_REMOVE",
        "name": (
            "is not a name of this kind: write projects/{project}/secretSyncs/{secret_sync}, each"
            " part a slug"
        ),
    }
    assert (await refused(planned(shop))).code == grpc.StatusCode.NOT_FOUND


async def test_problems_of_the_source(shop: Service) -> None:
    await shop.put({"A": "1"}, path="/one")
    await quiet_sync(shop, source=pb.SecretSource(environment=DEV, recursive=True))
    await shop.put({"A": "2"}, path="/two")
    refusal = await refused(planned(shop))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "DUPLICATE_SECRETS",
    )
    assert kinds(await planned(shop, pb.RUN_ACTION_REMOVE)) == {}
    await shop.delete("A", path="/two")
    await shop.tamper("UPDATE secrets SET sealed_value = x'01'")
    refusal = await refused(planned(shop))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "SOURCE_UNRESOLVED",
    )


async def test_problems_of_the_destination(shop: Service, recorder: Recorder) -> None:
    await quiet_sync(shop)
    for error, code, reason in (
        (InvalidConfig("m", violations={"x.y": "z"}), "INVALID_ARGUMENT", "CONFIG_INVALID"),
        (NotFound("m", field="place"), "FAILED_PRECONDITION", "NOT_FOUND"),
    ):
        recorder.always["plan"] = error
        refusal = await refused(planned(shop))
        assert (refusal.code.name, refusal.reason) == (code, f"DESTINATION_{reason}")
        assert all(field.startswith("destination_config.") for field in refusal.fields)
    recorder.always["plan"] = RateLimited("m", retry_after=3)
    refusal = await refused(planned(shop))
    assert (refusal.code, refusal.retry_after) == (grpc.StatusCode.UNAVAILABLE, 3)


async def test_a_destination_that_makes_no_plans(shop: Service) -> None:
    plain = Recorder("plain", discovers=False)
    shop.server.app.registry.register(plain, "plain")
    await shop.connections.DeleteConnection(connection_pb.DeleteConnectionRequest(name=CONNECTION))
    await shop.connect(destination="plain")
    await quiet_sync(shop)
    refusal = await refused(planned(shop))
    assert (refusal.code, refusal.reason, refusal.message) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "UNSUPPORTED",
        "Plain does not support plans",
    )


async def test_plans_of_octopus_come_true(octopus: Service, sandbox: Sandbox) -> None:
    await octopus.put({"A": "value-a", "B": "value-b"})
    await octopus.put({"A": "value-c"}, parent=PROD)
    scoped = {**PLACE, "scopeValues": {"environments": ["Environments-1"]}}
    await quiet_sync(octopus, destination_config=struct(scoped))
    sandbox.clear_requests()
    plan = await planned(octopus)
    assert kinds(plan) == {"A": "create", "B": "create"}
    assert {each.scope for each in plan.changes} == {"Environment: Development"}
    assert plan.destination_version == str(sandbox.variables(SET)["Version"])
    assert {each.method for each in sandbox.requests()} == {"GET"}
    assert (await octopus.trigger()).counts.created == 2
    assert kinds(await planned(octopus)) == {"A": "unchanged", "B": "unchanged"}
    await octopus.put({"A": "value-d"})
    await octopus.delete("B")
    assert kinds(await planned(octopus)) == {"A": "update", "B": "delete"}
    counts = (await octopus.trigger()).counts
    assert (counts.updated, counts.deleted) == (1, 1)

    other = "projects/shop/secretSyncs/other"
    await octopus.add_sync(
        "other",
        source=pb.SecretSource(environment=PROD),
        is_auto_sync_enabled=False,
        destination_config=struct(scoped),
    )
    plan = await planned(octopus, name=other)
    assert kinds(plan) == {"A": "conflict"}
    assert plan.changes[0].reason == f"{SYNC} owns it"
    # A run adds the violated fields, which a plan has per key.
    assert (await octopus.trigger(other)).message.startswith(plan.refusal)

    removal = await planned(octopus, pb.RUN_ACTION_REMOVE)
    assert kinds(removal) == {"A": "delete"}
    assert (await octopus.remove()).counts.deleted == 1
    assert kinds(await planned(octopus, pb.RUN_ACTION_REMOVE)) == {}


async def test_plans_at_the_same_time_agree(octopus: Service) -> None:
    await octopus.put({"A": "value-a"})
    await quiet_sync(octopus, destination_config=struct(PLACE))
    plans = await asyncio.gather(*(planned(octopus) for _ in range(5)))
    assert len({plan.fingerprint for plan in plans}) == 1
