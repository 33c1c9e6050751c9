"""SecretSyncService: changing secret syncs, and the runs that follow."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, TOKEN, Service, struct

from secretsync.adapter import RateLimited, Unavailable
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.error_reason_pb2 import ErrorReason

NIGHTLY = pb.Schedule(cron="30 3 * * *", time_zone="Europe/Berlin")
OTHER = f"{SHOP}/connections/other"
# Per path of the update mask: what to send, and what the sync then shows under the path.
CHANGES: dict[str, tuple[dict[str, Any], object]] = {
    "description": ({"description": "new"}, "new"),
    "connection": ({"connection": OTHER}, OTHER),
    "source.environment": ({"source": pb.SecretSource(environment=PROD)}, PROD),
    "source.secret_path": ({"source": pb.SecretSource(secret_path="/api")}, "/api"),
    "source.recursive": ({"source": pb.SecretSource(recursive=True)}, True),
    "destination_config": (
        {"destination_config": struct({"place": "there"})},
        struct({"place": "there"}),
    ),
    "sync_options.initial_sync_behavior": (
        {
            "sync_options": pb.SyncOptions(
                initial_sync_behavior=pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION
            )
        },
        pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
    ),
    "sync_options.key_schema": (
        {"sync_options": pb.SyncOptions(key_schema="A_{{secretKey}}")},
        "A_{{secretKey}}",
    ),
    "sync_options.disable_secret_deletion": (
        {"sync_options": pb.SyncOptions(disable_secret_deletion=True)},
        True,
    ),
    "sync_options.drift_policy": (
        {"sync_options": pb.SyncOptions(drift_policy=pb.DRIFT_POLICY_REPAIR)},
        pb.DRIFT_POLICY_REPAIR,
    ),
    "sync_options.drift_interval": (
        {"sync_options": pb.SyncOptions(drift_interval=Duration(seconds=90))},
        Duration(seconds=90),
    ),
    "is_enabled": ({"is_enabled": False}, False),
    "is_auto_sync_enabled": ({"is_auto_sync_enabled": False}, False),
    "schedule": ({"schedule": NIGHTLY}, NIGHTLY),
}
every_path = pytest.mark.parametrize("path", CHANGES)
EVERYTHING: dict[str, Any] = {
    "description": "new",
    "connection": OTHER,
    "source": pb.SecretSource(environment=DEV, secret_path="/api", recursive=True),
    "destination_config": struct({"place": "there"}),
    "sync_options": pb.SyncOptions(key_schema="A_{{secretKey}}", disable_secret_deletion=True),
    "is_enabled": False,
    "is_auto_sync_enabled": False,
    "schedule": NIGHTLY,
}


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with a sync, a second connection and a folder `/api` in both environments."""
    for parent in (DEV, PROD):
        await shop.put({"K": "v"}, parent=parent, path="/api")
    await shop.connect("other", credentials={"server": "two", "token": TOKEN})
    await shop.add_sync(description="old", is_auto_sync_enabled=False)
    return shop


def at(sync: pb.SecretSync, path: str) -> object:
    found: Any = sync
    for name in path.split("."):
        found = getattr(found, name)
    return found


@every_path
async def test_each_path_of_the_mask_changes_one_field(web: Service, path: str) -> None:
    before = await web.sync()
    _, value = CHANGES[path]
    changed = await web.update_sync([path], **EVERYTHING | CHANGES[path][0])
    assert at(changed, path) == value
    for other in CHANGES:
        if other != path:
            assert at(changed, other) == at(before, other), other
    assert changed == await web.sync()
    noticed = at(before, path) != value
    assert changed.version == before.version + noticed
    assert (changed.etag != before.etag) == noticed
    assert (changed.update_time != before.update_time) == noticed
    assert (changed.uid, changed.create_time) == (before.uid, before.create_time)


@every_path
async def test_an_empty_mask_means_the_fields_that_are_set(web: Service, path: str) -> None:
    before = await web.sync()
    given, value = CHANGES[path]
    changed = await web.update_sync(**given)
    assert at(changed, path) == value
    for other in CHANGES:
        if other != path:
            assert at(changed, other) == at(before, other), other


@pytest.mark.parametrize(
    "mask",
    [
        ["*"],
        ["*", "description"],
        list(CHANGES),
        [
            "description",
            "connection",
            "source",
            "destination_config",
            "sync_options",
            "is_enabled",
            "is_auto_sync_enabled",
            "schedule",
        ],
    ],
)
async def test_a_star_and_whole_messages_change_everything(web: Service, mask: list[str]) -> None:
    changed = await web.update_sync(mask, **EVERYTHING)
    for name, value in EVERYTHING.items():
        if name != "sync_options":
            assert at(changed, name) == value
    assert changed.sync_options.key_schema == "A_{{secretKey}}"
    assert changed.sync_options.disable_secret_deletion


async def test_what_is_in_the_mask_and_not_set_gets_its_default(web: Service) -> None:
    await web.update_sync(["*"], **EVERYTHING)
    changed = await web.update_sync(
        ["description", "source.secret_path", "source.recursive", "sync_options", "is_enabled"]
    )
    assert changed.description == ""
    assert (changed.source.secret_path, changed.source.recursive) == ("/", False)
    assert changed.source.environment == DEV
    assert changed.sync_options.key_schema == ""
    assert changed.is_enabled
    assert not changed.is_auto_sync_enabled


async def test_unknown_paths_of_the_mask(web: Service) -> None:
    before = web.dump()
    for path in ("name", "destination", "version", "source.env", "sync_options.", "Source", ""):
        fields = await invalid_fields(web.update_sync([path], description="new"))
        assert fields.keys() == {"update_mask"}
        assert f"{path!r} cannot be changed; fields are: connection, desc" in fields["update_mask"]
    assert web.dump() == before


async def test_required_fields_cannot_be_emptied(web: Service) -> None:
    before = web.dump()
    fields = await invalid_fields(web.update_sync(["*"]))
    assert fields.keys() == {
        "secret_sync.connection",
        "secret_sync.source.environment",
    }
    fields = await invalid_fields(web.update_sync(["destination_config"]))
    assert fields == {"secret_sync.destination_config.place": "is required"}
    assert web.dump() == before


@every_path
async def test_a_change_that_the_destination_may_have_to_follow_queues_a_run(
    web: Service, recorder: Recorder, path: str
) -> None:
    await web.update_sync(is_auto_sync_enabled=True)
    before = await web.sync()
    runs = len(await web.quiet())
    changed = await web.update_sync([path], **EVERYTHING | CHANGES[path][0])
    new = (await web.quiet())[runs:]
    silent = {"description", "is_enabled", "is_auto_sync_enabled", "schedule"}
    silent |= {"sync_options.drift_policy", "sync_options.drift_interval"}
    expected = changed.version != before.version and path not in silent
    assert [run.trigger for run in new] == [pb.RUN_TRIGGER_UPDATE] * expected
    assert all(run.state == pb.RUN_STATE_SUCCEEDED for run in new)
    assert len(recorder.calls("sync")) == runs + len(new)


async def test_enabling_queues_a_run(web: Service) -> None:
    await web.update_sync(is_enabled=False)
    await web.update_sync(is_auto_sync_enabled=True)
    assert await web.quiet() == []
    await web.update_sync(is_enabled=True)
    assert [run.trigger for run in await web.quiet()] == [pb.RUN_TRIGGER_UPDATE]


async def test_a_sync_can_be_disabled_while_the_destination_is_out_of_reach(
    web: Service, recorder: Recorder
) -> None:
    recorder.always["validate"] = Unavailable("Down.")
    await web.delete("K", path="/api")
    assert not (await web.update_sync(is_enabled=False)).is_enabled
    options = pb.SyncOptions(key_schema="A_{{secretKey}}")
    assert (await web.update_sync(sync_options=options)).version == 3
    before = web.dump()
    refusal = await refused(web.update_sync(destination_config=struct({"place": "there"})))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert web.dump() == before


async def test_a_sync_whose_folder_vanished_can_be_changed_but_not_pointed_to_nothing(
    web: Service,
) -> None:
    await web.update_sync(["source.secret_path"], source=pb.SecretSource(secret_path="/api"))
    await web.delete("K", path="/api")
    assert (await web.update_sync(description="still there")).source.secret_path == "/api"
    assert not (await web.update_sync(is_enabled=False)).is_enabled
    refusal = await refused(
        web.update_sync(["source.secret_path"], source=pb.SecretSource(secret_path="/gone"))
    )
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.message.startswith("secret_sync.source.secret_path: ")
    root = pb.SecretSource(secret_path="/")
    assert (await web.update_sync(["source.secret_path"], source=root)).source == pb.SecretSource(
        environment=DEV, secret_path="/"
    )


async def test_a_change_of_the_place_takes_the_secrets_along(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "v"})
    await shop.connect("other", credentials={"server": "two", "token": TOKEN})
    await shop.add_sync()
    await shop.quiet()
    same_place = struct({"place": "web", "labels": ["new"]})
    await shop.update_sync(destination_config=same_place)
    await shop.quiet()
    assert recorder.calls("remove") == []
    moved = struct({"place": "there"})
    await shop.update_sync(connection=OTHER, destination_config=moved)
    await shop.quiet()
    assert (recorder.held["web"], recorder.held["there"]) == ({}, {"K": "v"})
    [removal] = recorder.calls("remove")
    assert removal.credentials.server == "one"
    assert recorder.calls("sync")[-1].credentials.server == "two"


async def test_a_connection_of_another_destination_changes_the_destination(
    web: Service,
) -> None:
    second = Recorder("second")
    web.server.app.registry.register(second, "second")
    await web.connect("second", destination="second")
    changed = await web.update_sync(connection=f"{SHOP}/connections/second")
    assert changed.destination == "destinations/second"
    assert changed.connection != CONNECTION


async def test_disabling_a_sync_ends_the_run_that_waits(web: Service, recorder: Recorder) -> None:
    recorder.always["sync"] = RateLimited("Slow down.", retry_after=3600)
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await web.failed_once(run.name)
    await web.update_sync(is_enabled=False)
    ended = await web.run(run.name)
    assert ended.state == pb.RUN_STATE_FAILED
    assert ErrorReason.Name(ended.error_reason) == "ERROR_REASON_SYNC_DISABLED"
    assert (await web.sync()).sync_status.state == pb.RUN_STATE_FAILED


async def test_whoever_asks_by_hand_does_not_wait_for_the_next_attempt(
    web: Service, recorder: Recorder
) -> None:
    recorder.failures["sync"] = [Unavailable("Down.", retry_after=3600)]
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    waiting = await web.failed_once(run.name)
    assert ErrorReason.Name(waiting.error_reason) == "ERROR_REASON_DESTINATION_UNAVAILABLE"
    ended = await web.trigger()
    assert (ended.name, ended.state) == (run.name, pb.RUN_STATE_SUCCEEDED)
    assert not ended.error_reason


async def test_a_pause_that_the_destination_asked_for_is_kept(
    web: Service, recorder: Recorder
) -> None:
    recorder.failures["sync"] = [RateLimited("Slow down.", retry_after=3600)]
    run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    before = await web.failed_once(run.name)
    again = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    assert again.name == run.name
    assert again.next_attempt_time == before.next_attempt_time
