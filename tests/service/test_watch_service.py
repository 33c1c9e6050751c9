"""WatchSecretSyncs and the life of a server: restarts, slow and quiet readers, limits, its end."""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from service_kit import PATIENCE, SHOP, SYNC, Service, running, wait_for
from watching_kit import ALL, Watcher, told, watching

from secretsync.cli.main import main
from secretsync.operations.watching import PAGE, _Stream
from secretsync.store.protocol import Transaction
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub

# A reader that is sent no more than 64 KiB ahead, however fast it was before.
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0)]


async def prepare(service: Service) -> None:
    await service.add_project()
    await service.connect()
    await service.add_sync()
    await service.settled()


async def touch(service: Service, count: int) -> None:
    """Let a sync change so often, as fast as the disk can."""

    def change(tx: Transaction) -> None:
        sync = tx.syncs.by_uid(uid)
        assert sync
        for number in range(count):
            tx.syncs.update(replace(sync, version=sync.version + 1 + number))

    uid = (await service.sync()).uid
    await service.server.app.store.write(change)


async def test_a_restart_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await prepare(service)
        async with watching(service, ALL) as watcher:
            cursor = (await watcher.until("synced"))[-1].cursor
        run = (await service.trigger()).name
    async with running(tmp_path, shutdown_grace=0.1) as service:
        # Read half of what has happened, and let more happen than can be read before the next end.
        async with watching(service, ALL, cursor) as watcher:
            first = [await watcher.next() for _ in range(2)]
        await touch(service, 3)
        service.recorder.open.clear()
        cut_short = (await service.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))).name
        await service.until(cut_short, pb.RUN_STATE_RUNNING)
        service.recorder.open = asyncio.Event()
    async with running(tmp_path) as service, watching(service, ALL, first[-1].cursor) as watcher:
        rest = await watcher.until("web run succeeded")
        rest += await watcher.until("web run succeeded")
        told_all = [
            (told(each), each.sync_run.name, each.sync_run.attempt) for each in [*first, *rest]
        ]
        assert told_all == [
            ("web run pending", run, 0),
            ("web run running", run, 1),
            ("web run succeeded", run, 1),
            *[("web updated", "", 0)] * 3,
            ("web run pending", cut_short, 0),
            ("web run running", cut_short, 1),
            # The restart put it back.
            ("web run pending", cut_short, 0),
            ("web run running", cut_short, 1),
            ("web run succeeded", cut_short, 1),
        ]


async def test_the_wait_of_a_command_outlasts_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, shutdown_grace=0.1) as service:
        await prepare(service)
        service.recorder.open.clear()
        run = (await service.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))).name
        await service.until(run, pb.RUN_STATE_RUNNING)
        address = service.server.address
        words = ["run", "get", run, "--wait", "--json", "--address", address]
        command = asyncio.create_task(asyncio.to_thread(main, words))

        async def watched() -> bool | None:
            return service.server.app.watchers._open == 1 or None

        await wait_for(watched)
        service.recorder.open = asyncio.Event()
    assert not command.done()
    async with running(tmp_path, listen=address), asyncio.timeout(PATIENCE):
        assert await command == 0
    assert json.loads(capsys.readouterr().out)["state"] == "RUN_STATE_SUCCEEDED"


async def test_a_cursor_of_another_database_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "one") as service:
        await prepare(service)
        async with watching(service, ALL) as watcher:
            cursor = (await watcher.until("synced"))[-1].cursor
    async with running(tmp_path / "two") as service:
        await prepare(service)
        await touch(service, 9)
        async with watching(service, ALL, cursor) as watcher:
            messages, refusal = await watcher.end()
    assert messages == []
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


async def test_a_quiet_stream_says_that_it_is_there_and_keeps_its_cursor_new(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, watch_keep_alive=0.05) as service:
        await prepare(service)
        await service.add_sync("other")
        await service.settled()
        async with watching(service, f"{SHOP}/secretSyncs/other") as watcher:
            synced = (await watcher.until("synced"))[-1]
            alive = await watcher.next()
            assert (told(alive), alive.cursor) == ("keep_alive", synced.cursor)
            await touch(service, 1)
            while alive.cursor == synced.cursor:
                alive = await watcher.next()
                assert told(alive) == "keep_alive"
        now = service.server.app.clock()
        await service.server.app.store.write(lambda tx: tx.events.prune(now, 1, 1000))
        await service.trigger(f"{SHOP}/secretSyncs/other")
        async with watching(service, f"{SHOP}/secretSyncs/other", alive.cursor) as watcher:
            assert told(await watcher.next()) == "other run pending"


async def test_a_slow_reader_costs_a_page_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[int] = []
    read_news = _Stream._read_news

    def counting(self: _Stream[object], tx: Transaction) -> object:
        page = read_news(self, tx)
        pages.append(len(page.events))
        return page

    monkeypatch.setattr(_Stream, "_read_news", counting)
    async with running(tmp_path) as service:
        await prepare(service)
        address = service.server.address
        async with grpc.aio.insecure_channel(address, options=SMALL_WINDOW) as channel:
            request = pb.WatchSecretSyncsRequest(parent=SYNC)
            slow = Watcher(SecretSyncServiceStub(channel).WatchSecretSyncs(request))
            await slow.until("synced")
            await touch(service, 40 * PAGE)
            cursor = (await slow.next()).cursor
            # While another reader gets all of it, this one takes none.
            async with watching(service, cursor=cursor) as fast:
                for _ in range(40 * PAGE - 1):
                    assert told(await fast.next()) == "web updated"
            read_for_the_slow_one = sum(pages) - (40 * PAGE - 1)
            assert read_for_the_slow_one < 10 * PAGE
            # Calls are answered meanwhile, and nothing is missing when it goes on.
            assert (await service.trigger()).state == pb.RUN_STATE_SUCCEEDED
            rest = [await slow.next() for _ in range(40 * PAGE - 1 + 3)]
            slow.call.cancel()
    assert len({each.cursor for each in rest}) == len(rest)
    assert Counter(told(each) for each in rest) == {
        "web updated": 40 * PAGE - 1,
        "web run pending": 1,
        "web run running": 1,
        "web run succeeded": 1,
    }
    assert max(pages) <= PAGE


async def test_streams_have_a_limit_of_their_own(tmp_path: Path) -> None:
    async with running(tmp_path, max_watchers=2) as service:
        await prepare(service)
        async with watching(service) as first:
            await first.until("synced")
            async with watching(service, ALL) as second:
                await second.until("synced")
                async with watching(service, SHOP) as third:
                    messages, refusal = await third.end()
                assert messages == []
                assert (refusal.code, refusal.reason, refusal.metadata, refusal.retry_after) == (
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "TOO_MANY_WATCHERS",
                    {"limit": "2"},
                    5.0,
                )
                assert (await service.trigger()).state == pb.RUN_STATE_SUCCEEDED

            async def admitted() -> bool:
                async with watching(service, SHOP) as fourth:
                    messages, _ = await asyncio.wait_for(fourth.end(), 0.2)
                return bool(messages)

            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        assert not await admitted()
                    except TimeoutError:
                        break


async def test_shutting_down_ends_streams_and_does_not_wait_for_them(tmp_path: Path) -> None:
    request = pb.WatchSecretSyncsRequest(parent=ALL)
    async with (
        asyncio.timeout(PATIENCE * 2),
        contextlib.AsyncExitStack() as channels,
    ):
        # Far longer than the test: nobody may wait for it.
        async with running(tmp_path, shutdown_grace=3600.0) as service:
            await prepare(service)
            watchers = []
            for _ in range(2):
                channel = grpc.aio.insecure_channel(service.server.address, options=SMALL_WINDOW)
                await channels.enter_async_context(channel)
                watchers.append(Watcher(SecretSyncServiceStub(channel).WatchSecretSyncs(request)))
            last = [(await watcher.until("synced"))[-1] for watcher in watchers][-1]
            stuck, reader = watchers
            await touch(service, 10 * PAGE)
            ending = asyncio.ensure_future(reader.end())
            # The other one reads no more.
            await stuck.next()
        messages, refusal = await ending
    assert (refusal.code, refusal.reason, refusal.retry_after) == (
        grpc.StatusCode.UNAVAILABLE,
        "SHUTTING_DOWN",
        1.0,
    )
    # What could not be told any more is told by the next server.
    cursor = [last, *messages][-1].cursor
    async with running(tmp_path) as service, watching(service, ALL, cursor) as again:
        for _ in range(10 * PAGE - len(messages)):
            assert told(await again.next()) == "web updated"
        await service.trigger()
        assert told(await again.next()) == "web run pending"
