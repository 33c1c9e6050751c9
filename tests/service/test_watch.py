"""WatchSecretSyncs: the present state, then every change once and in order; and where it ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from refusals import invalid_fields
from service_kit import SHOP, SYNC, TOKEN, Service, wait_for
from watching_kit import ALL, Watcher, change_of, told, watching

from secretsync.operations import watching as operations
from secretsync.operations.app import App
from secretsync.store.protocol import Transaction
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_sync_service_pb2 as pb

RUN = ["web run pending", "web run running", "web run succeeded"]


def texts(messages: list[pb.WatchSecretSyncsResponse]) -> list[str]:
    return [told(each) for each in messages]


async def at_rest(service: Service, *slugs: str) -> None:
    """Create syncs, and wait until their first runs have ended."""
    for slug in slugs or ("web",):
        await service.add_sync(slug)
    await service.settled()


async def delete_sync(service: Service, name: str = SYNC) -> None:
    await service.syncs.DeleteSecretSync(pb.DeleteSecretSyncRequest(name=name))


async def test_the_present_state_comes_first_and_then_each_change_once(shop: Service) -> None:
    await shop.put({"K": "value-that-nobody-may-see"})
    await at_rest(shop)
    async with watching(shop) as watcher:
        present, synced = await watcher.until("synced")
        assert (told(present), present.name) == ("web present", SYNC)
        assert present.secret_sync == await shop.sync()
        assert present.uid == present.secret_sync.uid
        assert not present.HasField("change_time")
        assert not synced.HasField("secret_sync")

        run = await shop.trigger()
        changes = await watcher.until("web run succeeded")
        assert texts(changes) == RUN
        assert {each.sync_run.name for each in changes} == {run.name}
        assert [each.sync_run.attempt for each in changes] == [0, 1, 1]
        assert changes[-1].sync_run.message == run.message
        assert changes[-1].sync_run.finish_time == run.finish_time
        assert changes[-1].secret_sync == await shop.sync()
        assert all(each.HasField("change_time") for each in changes)

        await shop.update_sync(description="new")
        await delete_sync(shop)
        rest, refusal = await watcher.end()
        assert texts(rest)[0] == "web updated"
        assert texts(rest)[-1] == "web deleted"
        assert not rest[-1].HasField("secret_sync")
        assert rest[-1].uid == present.uid
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "RESOURCE_NOT_FOUND",
        )
    every = [present, synced, *changes, *rest]
    assert len({each.cursor for each in every}) == len(every)
    assert b"value-that-nobody-may-see" not in b"".join(each.SerializeToString() for each in every)
    assert TOKEN.encode() not in b"".join(each.SerializeToString() for each in every)


async def test_a_project_and_all(shop: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "PAGE", 2)
    await shop.add_project("other", "dev")
    await shop.connect(parent="projects/other")
    await at_rest(shop, "a", "b", "c")
    await shop.add_sync(
        "d",
        parent="projects/other",
        connection="projects/other/connections/main",
        source=pb.SecretSource(environment="projects/other/environments/dev"),
    )
    await shop.settled()
    async with watching(shop, SHOP) as one, watching(shop, ALL) as every:
        assert texts(await one.until("synced")) == ["a present", "b present", "c present", "synced"]
        assert sorted(texts(await every.until("synced"))) == sorted(
            ["a present", "b present", "c present", "d present", "synced"]
        )
        await delete_sync(shop, f"{SHOP}/secretSyncs/b")
        await delete_sync(shop, "projects/other/secretSyncs/d")
        await delete_sync(shop, f"{SHOP}/secretSyncs/a")
        assert texts(await one.until("a deleted")) == ["b deleted", "a deleted"]
        assert texts(await every.until("a deleted")) == ["b deleted", "d deleted", "a deleted"]


async def test_every_cursor_goes_on_exactly_behind_its_message(
    shop: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PAGE", 2)
    await at_rest(shop, "a", "b", "c", "web")
    async with watching(shop, SHOP) as watcher:
        present = await watcher.until("synced")
        assert len(present) == 5
        await shop.trigger()
        await shop.update_sync(is_auto_sync_enabled=False)
        await delete_sync(shop, f"{SHOP}/secretSyncs/b")
        every = present + await watcher.until("b deleted")
    for number, message in enumerate(every[:-1]):
        async with watching(shop, SHOP, message.cursor) as again:
            rest = await again.until("b deleted")
        # What is still to be told of the present state is told as it is now.
        wanted = [text for text in texts(every[number + 1 :]) if text != "b present"]
        assert [text for text in texts(rest) if text != "b present"] == wanted


async def test_what_happened_to_a_sync_while_nobody_watched(shop: Service) -> None:
    await at_rest(shop)
    async with watching(shop) as watcher:
        cursor = (await watcher.until("synced"))[-1].cursor
    first = (await shop.sync()).uid
    await delete_sync(shop)
    async with watching(shop, cursor=cursor) as watcher:
        gone, refusal = await watcher.end()
    assert (texts(gone), refusal.code) == (["web deleted"], grpc.StatusCode.NOT_FOUND)
    async with watching(shop, cursor=gone[-1].cursor) as watcher:
        assert (await watcher.end())[0] == []

    await at_rest(shop)
    async with watching(shop, cursor=cursor) as watcher:
        rest = await watcher.until("web run succeeded")
    assert texts(rest) == ["web deleted", "web created", *RUN]
    assert rest[0].uid == first
    assert {each.uid for each in rest[1:]} == {(await shop.sync()).uid}
    assert not rest[0].HasField("secret_sync")
    assert rest[1].secret_sync.sync_status.state == pb.RUN_STATE_SUCCEEDED


async def test_the_stream_of_a_project_ends_when_it_is_deleted(shop: Service) -> None:
    await at_rest(shop)
    async with watching(shop, SHOP) as watcher, watching(shop, ALL) as every:
        await watcher.until("synced")
        await every.until("synced")
        await delete_sync(shop)
        await shop.projects.DeleteProject(project_pb.DeleteProjectRequest(name=SHOP, force=True))
        rest, refusal = await watcher.end()
        assert texts(rest) == ["web deleted"]
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert refusal.message == "parent: projects/shop does not exist"
        await shop.add_project()
        await shop.connect()
        await shop.add_sync()
        assert texts(await every.until("web created")) == ["web deleted", "web created"]


@pytest.mark.parametrize("parent", [SYNC, "projects/nowhere", "projects/nowhere/secretSyncs/web"])
async def test_what_does_not_exist(shop: Service, parent: str) -> None:
    async with watching(shop, parent) as watcher:
        messages, refusal = await watcher.end()
    assert messages == []
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": parent}


@pytest.mark.parametrize(
    "parent",
    ["", "projects", "projects/", "projects/Shop", "projects/-/secretSyncs/web", "-", SHOP],
)
async def test_everything_wrong_with_a_request_is_said_at_once(shop: Service, parent: str) -> None:
    async with watching(shop, ALL) as watcher:
        cursor = (await watcher.until("synced"))[-1].cursor
    damaged = f"{cursor[:-4]}AAAA"
    for wrong in (cursor, damaged, "x"):
        request = pb.WatchSecretSyncsRequest(parent=parent, cursor=wrong)
        fields = await invalid_fields(Watcher(shop.syncs.WatchSecretSyncs(request)).next())
        expected = ["cursor"] if parent == SHOP else ["parent", "cursor"]
        assert list(fields) == expected
        assert "was sent for the same parent" in fields["cursor"]


async def test_bytes_that_are_no_request(shop: Service) -> None:
    call: Any = shop.channel.unary_stream("/secretsync.v1.SecretSyncService/WatchSecretSyncs")
    fields = await invalid_fields(call(b"\xff\xff").read())
    assert fields == {}


async def test_a_cursor_that_is_too_old(shop: Service) -> None:
    await at_rest(shop)
    async with watching(shop) as watcher:
        cursor = (await watcher.until("synced"))[-1].cursor
        await shop.trigger()
        newest = (await watcher.until("web run succeeded"))[-1].cursor
        now = shop.server.app.clock()
        await shop.server.app.store.write(lambda tx: tx.events.prune(now, 1, 1000))
        # Whoever is up to date misses nothing.
        await shop.trigger()
        assert texts(await watcher.until("web run succeeded")) == RUN
    async with watching(shop, cursor=newest) as watcher:
        assert texts(await watcher.until("web run succeeded")) == RUN
    async with watching(shop, cursor=cursor) as watcher:
        messages, refusal = await watcher.end()
    assert messages == []
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
    assert "start again without a cursor" in refusal.message


async def test_progress_of_runs_under_way(shop: Service) -> None:
    await at_rest(shop)
    async with watching(shop, SHOP) as watcher:
        await watcher.until("synced")
        shop.recorder.open.clear()
        run = await shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        messages = [await watcher.next() for _ in range(3)]
        assert texts(messages) == ["web run pending", "web run running", "web progress running"]
        progress = messages[-1]
        assert (progress.name, progress.sync_run.name) == (SYNC, run.name)
        assert progress.sync_run.progress == pb.RunProgress(step="writing", done=1, total=2)
        assert progress.cursor == messages[-2].cursor
        async with watching(shop, SHOP) as late:
            assert texts([await late.next() for _ in range(3)]) == [
                "web present",
                "synced",
                "web progress running",
            ]
        shop.recorder.open.set()
        assert told(await watcher.next()) == "web run succeeded"


async def test_a_run_is_told_to_have_begun_before_its_progress(
    shop: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.put({"K": "v"})
    await at_rest(shop)
    shop.recorder.open.clear()
    engine = shop.server.app.engine
    may_begin: list[bool] = []

    async def read(app: App, work: Callable[[Transaction], Any]) -> Any:  # noqa: ANN401
        found = await app.store.read(work)
        if getattr(work, "__name__", "") == "_read_news" and found.events:
            # What was read is old by the time at which it is told.
            may_begin.append(True)
            engine.wake()
            while not engine.running():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found

    async with watching(shop) as watcher:
        await watcher.until("synced")
        monkeypatch.setattr(App, "read", read)
        monkeypatch.setattr(engine, "_may_claim", lambda: bool(may_begin))
        await shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
        found = [told(await watcher.next()) for _ in range(3)]
        shop.recorder.open.set()
    assert found == ["web run pending", "web run running", "web progress running"]


async def test_an_unexpected_error_tells_nothing_internal(
    shop: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await at_rest(shop)
    async with watching(shop) as watcher:
        await watcher.until("synced")
        await shop.tamper("UPDATE secret_syncs SET options = 'broken', version = 2")
        messages, refusal = await watcher.end()
    assert messages == []
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "broken" not in refusal.message
    assert refusal.metadata["correlation_id"] in caplog.text


async def test_a_stream_that_was_left_lets_go(shop: Service) -> None:
    watchers = shop.server.app.watchers
    async with watching(shop, ALL) as watcher:
        await watcher.until("synced")
        assert watchers._open == 1

    async def closed() -> bool | None:
        return watchers._open == 0 or None

    await wait_for(closed)


async def test_events_are_told_in_the_order_in_which_they_were_committed(shop: Service) -> None:
    await at_rest(shop)
    async with watching(shop, SHOP) as watcher:
        await watcher.until("synced")
        await asyncio.gather(
            *(shop.add_sync(f"s{number}", is_enabled=False) for number in range(12)),
            *(shop.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC)) for _ in range(12)),
        )
        await shop.settled()
        await delete_sync(shop)
        messages = await watcher.until("web deleted")
    rows = shop.dump()["sync_events"]
    stored = [row[3] for row in sorted(rows)][-len(messages) :]
    names = {"created": "sync-created", "deleted": "sync-deleted", "run": "run-changed"}
    assert [names[change_of(each)] for each in messages] == stored
    assert len({each.cursor for each in messages}) == len(messages)
