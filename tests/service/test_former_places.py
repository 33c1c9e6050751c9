"""SecretSyncService: places that a sync was led away from, and connections that lead there."""

import grpc
import pytest
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, SHOP, SYNC, TOKEN, Service, struct, wait_for, wire

from secretsync.adapter import AuthenticationFailed
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.error_reason_pb2 import ErrorReason

OLD_TOKEN = TOKEN
NEW_TOKEN = "another-token-that-nobody-may-see"


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with a sync that has put two secrets at its place."""
    await shop.put({"K": "v", "L": "w"})
    await shop.add_sync()
    await shop.quiet()
    return shop


async def lead(service: Service, place: str) -> pb.SecretSync:
    return await service.update_sync(destination_config=struct({"place": place}))


async def connect_to(service: Service, server: str, token: str = NEW_TOKEN) -> None:
    """Lead the connection to another server."""
    changed = connection_pb.Connection(
        name=CONNECTION, credentials=struct({"server": server, "token": token})
    )
    request = connection_pb.UpdateConnectionRequest(connection=changed)
    await service.connections.UpdateConnection(request)


async def clean(service: Service) -> None:
    """Wait until the sync has no former places any more."""

    async def arrived() -> bool | None:
        return None if (await service.sync()).former_places else True

    await wait_for(arrived)


async def listed(service: Service) -> pb.FormerPlace:
    """Wait until a clean-up of the one former place was given up, and return the place."""

    async def arrived() -> pb.FormerPlace | None:
        [place] = (await service.sync()).former_places
        return place if place.error_reason else None

    return await wait_for(arrived)


async def left_behind(service: Service, recorder: Recorder) -> pb.FormerPlace:
    """Lead the sync elsewhere while the old place cannot be cleaned."""
    recorder.always["remove"] = AuthenticationFailed("The key is gone.")
    await lead(service, "there")
    return await listed(service)


async def test_a_former_place_as_it_is_shown(web: Service, recorder: Recorder) -> None:
    place = await left_behind(web, recorder)
    assert place.name.startswith(f"{SYNC}/formerPlaces/")
    assert place.destination == "destinations/recorder"
    assert place.connection == CONNECTION
    assert place.destination_config == struct({"place": "web"})
    assert (place.name_count, list(place.destination_names)) == (2, ["K", "L"])
    assert place.error_reason == ErrorReason.ERROR_REASON_AUTHENTICATION_FAILED
    assert "The key is gone." in place.message
    assert not place.HasField("next_attempt_time")
    assert (await web.run(place.last_run)).action == pb.RUN_ACTION_CLEAN_UP
    # Runs that clean up do not hide how the sync itself is.
    sync = await web.sync()
    assert sync.sync_status.state == pb.RUN_STATE_SUCCEEDED
    assert sync.remove_status == pb.RunStatus()
    listing = await web.syncs.ListSecretSyncs(pb.ListSecretSyncsRequest(parent=SHOP))
    assert [list(each.former_places) for each in listing.secret_syncs] == [[place]]
    assert (await web.update_sync(description="new")).former_places == sync.former_places


async def test_when_it_is_cleaned_next(web: Service, recorder: Recorder) -> None:
    await left_behind(web, recorder)
    web.server.app.engine.stop_claiming()
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    [place] = (await web.sync()).former_places
    assert place.next_attempt_time.ToDatetime() > place.leave_time.ToDatetime()
    assert (place.message, place.error_reason) == ("", 0)


async def test_many_names_are_counted_and_the_first_are_shown(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({f"K{number:02}": "v" for number in range(30)})
    await shop.add_sync()
    await shop.quiet()
    place = await left_behind(shop, recorder)
    assert place.name_count == 30
    assert list(place.destination_names) == [f"K{number:02}" for number in range(20)]


async def test_clean_up_by_hand(web: Service, recorder: Recorder) -> None:
    await left_behind(web, recorder)
    request = pb.CleanUpSecretSyncRequest(name=SYNC, request_id="one", validate_only=True)
    before = web.dump()
    assert len((await web.syncs.CleanUpSecretSync(request)).sync_runs) == 1
    assert web.dump() == before
    del recorder.always["remove"]
    request.validate_only = False
    answer = await web.syncs.CleanUpSecretSync(request)
    [run] = answer.sync_runs
    assert (run.action, run.trigger) == (pb.RUN_ACTION_CLEAN_UP, pb.RUN_TRIGGER_MANUAL)
    assert (await web.ended(run.name)).counts.deleted == 2
    assert recorder.held["web"] == {}
    assert (await web.sync()).former_places == []
    # A repeat is the same answer, and another call has nothing to do.
    assert wire(await web.syncs.CleanUpSecretSync(request)) == wire(answer)
    again = await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    assert again == pb.CleanUpSecretSyncResponse()


async def test_a_removal_that_keeps_to_a_plan_cleans_nothing_else(
    web: Service, recorder: Recorder
) -> None:
    await left_behind(web, recorder)
    del recorder.always["remove"]
    request = pb.PlanSecretSyncRequest(name=SYNC, action=pb.RUN_ACTION_REMOVE)
    plan = await web.syncs.PlanSecretSync(request)
    removal = pb.RemoveSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    run = await web.ended((await web.syncs.RemoveSecrets(removal)).name)
    await web.quiet()
    assert run.state == pb.RUN_STATE_SUCCEEDED
    assert (recorder.held["there"], len(recorder.held["web"])) == ({}, 2)
    assert len((await web.sync()).former_places) == 1
    # Without a plan, all is asked for.
    await web.remove()
    await clean(web)
    assert recorder.held["web"] == {}


async def test_what_cannot_be_seen_stays_listed(web: Service, recorder: Recorder) -> None:
    recorder.hidden = {"L"}
    await lead(web, "there")
    place = await listed(web)
    assert place.error_reason == ErrorReason.ERROR_REASON_CLEAN_UP_FAILED
    assert (place.name_count, list(place.destination_names)) == (1, ["L"])
    assert recorder.held["web"] == {"L": "w"}
    recorder.hidden = set()
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    await clean(web)
    assert recorder.held["web"] == {}


async def test_forgetting_needs_a_word_and_deletes_nothing(
    web: Service, recorder: Recorder
) -> None:
    place = await left_behind(web, recorder)
    before = web.dump()
    refusal = await refused(
        web.syncs.ForgetFormerPlace(pb.ForgetFormerPlaceRequest(name=place.name))
    )
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "SECRETS_LEFT_BEHIND"
    assert refusal.metadata == {"resource": place.name}
    assert "2 secret(s)" in refusal.message
    request = pb.ForgetFormerPlaceRequest(
        name=place.name, leave_secrets_behind=True, request_id="one", validate_only=True
    )
    await web.syncs.ForgetFormerPlace(request)
    assert web.dump() == before
    request.validate_only = False
    answer = await web.syncs.ForgetFormerPlace(request)
    assert (answer.name, list(answer.former_places)) == (SYNC, [])
    assert wire(await web.syncs.ForgetFormerPlace(request)) == wire(answer)
    assert recorder.held["web"] == {"K": "v", "L": "w"}
    left = web.dump()
    assert left["former_places"] == left["former_ledger"] == []
    # Whoever watches the sync hears of it.
    told = max(left["sync_events"])
    assert {"sync-updated", SYNC} <= set(told)
    # The connection can go now.
    await web.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=SYNC))
    await web.connections.DeleteConnection(connection_pb.DeleteConnectionRequest(name=CONNECTION))


async def test_the_former_place_of_another_sync_is_not_found(
    web: Service, recorder: Recorder
) -> None:
    place = await left_behind(web, recorder)
    await web.add_sync("other", is_auto_sync_enabled=False)
    name = place.name.replace(SYNC, f"{SHOP}/secretSyncs/other")
    request = pb.ForgetFormerPlaceRequest(name=name, leave_secrets_behind=True)
    refusal = await refused(web.syncs.ForgetFormerPlace(request))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    fields = await invalid_fields(
        web.syncs.ForgetFormerPlace(pb.ForgetFormerPlaceRequest(name=SYNC))
    )
    assert fields.keys() == {"name"}


async def test_a_connection_that_leads_to_a_former_place_stays(
    web: Service, recorder: Recorder
) -> None:
    await web.connect("other", credentials={"server": "two", "token": NEW_TOKEN})
    recorder.always["remove"] = AuthenticationFailed("The key is gone.")
    await web.update_sync(connection=f"{SHOP}/connections/other")
    await listed(web)
    request = connection_pb.DeleteConnectionRequest(name=CONNECTION)
    refusal = await refused(web.connections.DeleteConnection(request))
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": CONNECTION, "users": SYNC}
    assert "former places" in refusal.message
    # A new key for the same server is what the clean-up uses from then on.
    del recorder.always["remove"]
    await connect_to(web, "one")
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    await clean(web)
    assert recorder.calls("remove")[-1].credentials.token.reveal() == NEW_TOKEN
    await web.connections.DeleteConnection(request)


async def test_a_sync_that_requires_approval_cleans_when_somebody_asks(
    web: Service, recorder: Recorder
) -> None:
    await web.update_sync(
        ["sync_options.require_approval"], sync_options=pb.SyncOptions(require_approval=True)
    )
    await web.quiet()
    await lead(web, "there")

    async def planned() -> pb.SyncRun | None:
        run = (await web.runs())[-1]
        return await web.run(run.name) if run.state == pb.RUN_STATE_AWAITING_APPROVAL else None

    plan = (await wait_for(planned)).plan
    approved = pb.SyncSecretsRequest(name=SYNC, fingerprint=plan.fingerprint)
    await web.ended((await web.syncs.SyncSecrets(approved)).name)
    assert recorder.held["there"] == {"K": "v", "L": "w"}
    [place] = (await web.sync()).former_places
    assert "requires approval" in place.message
    assert recorder.calls("remove") == []
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    await clean(web)
    assert recorder.held["web"] == {}


async def test_who_requires_approval_is_asked_for_what_waits_already(
    web: Service, recorder: Recorder
) -> None:
    await left_behind(web, recorder)
    web.server.app.engine.stop_claiming()
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    await web.update_sync(
        ["sync_options.require_approval"], sync_options=pb.SyncOptions(require_approval=True)
    )
    place = await listed(web)
    assert "requires approval" in place.message
    assert not place.HasField("next_attempt_time")
    assert (await web.run(place.last_run)).state == pb.RUN_STATE_FAILED


async def test_a_clean_up_does_not_replace_a_plan_that_waits(
    web: Service, recorder: Recorder
) -> None:
    await left_behind(web, recorder)
    await web.update_sync(
        ["sync_options.require_approval"], sync_options=pb.SyncOptions(require_approval=True)
    )
    await web.quiet()
    await web.put({"K": "new"})
    (*_, run) = await web.runs()
    await web.until(run.name, pb.RUN_STATE_AWAITING_APPROVAL)
    del recorder.always["remove"]
    await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
    await clean(web)
    assert (await web.run(run.name)).state == pb.RUN_STATE_AWAITING_APPROVAL


class TestMovedConnection:
    async def test_the_old_place_is_cleaned_with_the_old_credentials(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.add_sync("second", destination_config=struct({"place": "elsewhere"}))
        await web.settled()
        recorder.always["remove"] = AuthenticationFailed("The key is gone.")
        await connect_to(web, "two")
        place = await listed(web)
        assert recorder.calls("sync")[-1].credentials.server == "two"
        assert OLD_TOKEN not in repr(web.dump())
        assert [row for row in web.dump()["former_places"] if b"" in row] == []
        assert place.connection == CONNECTION
        del recorder.always["remove"]
        for name in (SYNC, f"{SHOP}/secretSyncs/second"):
            await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=name))
        await web.settled()
        used = {each.credentials.token.reveal() for each in recorder.calls("remove")}
        assert used == {OLD_TOKEN}
        assert {each.credentials.server for each in recorder.calls("remove")} == {"one"}
        # Nothing of the old credentials is kept once it is done.
        assert web.dump()["former_places"] == []

    async def test_a_second_move_keeps_each_place_with_its_own(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.always["remove"] = AuthenticationFailed("The key is gone.")
        await connect_to(web, "two", "token-of-two")
        await listed(web)
        await connect_to(web, "three", "token-of-three")

        async def both() -> bool | None:
            places = (await web.sync()).former_places
            return (len(places) == 2 and all(each.error_reason for each in places)) or None

        await wait_for(both)
        recorder.requests.clear()
        del recorder.always["remove"]
        await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
        await clean(web)
        used = {
            (each.credentials.server, each.credentials.token.reveal())
            for each in recorder.calls("remove")
        }
        assert used == {("one", OLD_TOKEN), ("two", "token-of-two")}

    async def test_moved_back_it_has_nothing_to_clean_there(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.always["remove"] = AuthenticationFailed("The key is gone.")
        await connect_to(web, "two")
        await listed(web)
        recorder.requests.clear()
        del recorder.always["remove"]
        await connect_to(web, "one")
        await clean(web)
        await web.quiet()
        assert [each.credentials.server for each in recorder.calls("remove")] == ["two"]

    async def test_another_key_does_not_replace_the_one_that_leads_back(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.always["remove"] = AuthenticationFailed("The key is gone.")
        await connect_to(web, "two")
        await listed(web)
        await connect_to(web, "two", "a-newer-token")
        recorder.requests.clear()
        del recorder.always["remove"]
        await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
        await clean(web)
        [removal] = recorder.calls("remove")
        assert (removal.credentials.server, removal.credentials.token.reveal()) == (
            "one",
            OLD_TOKEN,
        )

    async def test_a_connection_that_leads_back_is_what_its_places_use(
        self, web: Service, recorder: Recorder
    ) -> None:
        recorder.always["remove"] = AuthenticationFailed("The key is gone.")
        await connect_to(web, "two")
        await listed(web)
        await web.quiet()
        await lead(web, "there")
        await web.quiet()
        await connect_to(web, "one", "a-newer-token-of-one")
        await web.quiet()
        recorder.requests.clear()
        del recorder.always["remove"]
        await web.syncs.CleanUpSecretSync(pb.CleanUpSecretSyncRequest(name=SYNC))
        await clean(web)
        used = {
            (each.config.place, each.credentials.server, each.credentials.token.reveal())
            for each in recorder.calls("remove")
        }
        assert used == {
            ("web", "one", "a-newer-token-of-one"),
            ("web", "two", NEW_TOKEN),
            ("there", "two", NEW_TOKEN),
        }

    async def test_without_the_old_credentials_nothing_else_is_touched(
        self, web: Service, recorder: Recorder
    ) -> None:
        await web.tamper("UPDATE connections SET sealed_credentials = X'01'")
        await connect_to(web, "two")
        place = await listed(web)
        assert place.error_reason == ErrorReason.ERROR_REASON_AUTHENTICATION_FAILED
        assert "could not be kept" in place.message
        assert recorder.calls("remove") == []
        # Led back to the old server, it takes up again what is there.
        await connect_to(web, "one")
        await clean(web)
        assert [each.credentials.server for each in recorder.calls("remove")] == ["two"]

    async def test_not_while_a_run_is_under_way(self, web: Service, recorder: Recorder) -> None:
        recorder.open.clear()
        run = await web.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        await web.until(run.name, pb.RUN_STATE_RUNNING)
        before = await web.connections.GetConnection(
            connection_pb.GetConnectionRequest(name=CONNECTION)
        )
        refusal = await refused(connect_to(web, "two"))
        assert refusal.reason == "RESOURCE_IN_USE"
        assert before == await web.connections.GetConnection(
            connection_pb.GetConnectionRequest(name=CONNECTION)
        )
        recorder.open.set()
        await web.ended(run.name)
