"""Runs tell who their callers have said to be; bad declarations are refused and change nothing."""

from typing import Any

import pytest
from refusals import invalid_fields
from service_kit import CONNECTION, DEV, SHOP, SYNC, Service, struct

from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as pb

KEY = "x-secretsync-requester"


def by(*names: str) -> dict[str, Any]:
    return {"metadata": tuple((KEY, name) for name in names)}


async def put(service: Service, value: str, *names: str) -> None:
    secret = secret_pb.Secret(key="A", value=value)
    request = secret_pb.SetSecretsRequest(parent=DEV, secrets=[secret])
    await service.secrets.SetSecrets(request, **by(*names))


@pytest.fixture
async def shop(service: Service) -> Service:
    await service.add_project()
    await service.connect()
    await put(service, "a")
    return service


async def test_each_run_tells_of_the_call_that_caused_it(shop: Service) -> None:
    sync = pb.SecretSync(
        connection=CONNECTION,
        source=pb.SecretSource(environment=DEV),
        destination_config=struct({"place": "web"}),
    )
    await shop.syncs.CreateSecretSync(
        pb.CreateSecretSyncRequest(parent=SHOP, secret_sync_id="web", secret_sync=sync),
        **by("ann"),
    )
    await shop.quiet()
    await put(shop, "b", "bob's pipeline")
    await shop.quiet()
    await put(shop, "c")
    await shop.quiet()
    queued = await shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC), **by("x" * 128))
    assert queued.requester == "x" * 128
    await shop.quiet()
    removal = await shop.syncs.RemoveSecrets(pb.RemoveSecretsRequest(name=SYNC), **by("eve"))
    await shop.ended(removal.name)
    runs = await shop.runs()
    assert [run.requester for run in runs] == ["ann", "bob's pipeline", "", "x" * 128, "eve"]


async def test_who_joins_a_waiting_run_is_not_listed(shop: Service) -> None:
    shop.recorder.open.clear()
    await shop.add_sync()
    [first] = await shop.runs()
    await shop.until(first.name, pb.RUN_STATE_RUNNING)
    await put(shop, "b", "ann")
    await put(shop, "c", "bob")
    shop.recorder.open.set()
    assert [run.requester for run in await shop.quiet()] == ["", "ann"]


async def test_a_run_tells_who_approved_its_plan(shop: Service) -> None:
    await shop.add_sync(sync_options=pb.SyncOptions(require_approval=True))
    await shop.quiet()
    await put(shop, "b", "ann")
    waiting = await shop.run((await shop.quiet())[-1].name)
    assert (waiting.state, waiting.approver) == (pb.RUN_STATE_AWAITING_APPROVAL, "")
    request = pb.SyncSecretsRequest(name=SYNC, fingerprint=waiting.plan.fingerprint)
    resumed = await shop.syncs.SyncSecrets(request, **by("bob"))
    assert (resumed.name, resumed.requester, resumed.approver) == (waiting.name, "ann", "bob")
    await shop.ended(resumed.name)
    plan = await shop.syncs.PlanSecretSync(
        pb.PlanSecretSyncRequest(name=SYNC, action=pb.RUN_ACTION_REMOVE)
    )
    removal = pb.RemoveSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    asked = await shop.syncs.RemoveSecrets(removal, **by("eve"))
    assert (asked.requester, asked.approver) == ("eve", "eve")
    assert [run.approver for run in await shop.runs()][-2:] == ["bob", "eve"]


@pytest.mark.parametrize("names", [("x" * 129,), ("ann", "bob")])
async def test_a_bad_one_is_refused(shop: Service, names: tuple[str, ...]) -> None:
    before = shop.dump()
    assert set(await invalid_fields(put(shop, "b", *names))) == {f"metadata.{KEY}"}
    assert shop.dump() == before
