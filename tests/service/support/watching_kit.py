"""A reader of WatchSecretSyncs, and what its messages are compared by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from refusals import Refusal, parse_refusal
from service_kit import PATIENCE, SYNC, Service

from secretsync.v1 import secret_sync_service_pb2 as pb

ALL = "projects/-"
TRANSIENT = (pb.SYNC_CHANGE_PROGRESS, pb.SYNC_CHANGE_KEEP_ALIVE)


def change_of(message: pb.WatchSecretSyncsResponse) -> str:
    return pb.SyncChange.Name(message.change).removeprefix("SYNC_CHANGE_").lower()


def told(message: pb.WatchSecretSyncsResponse) -> str:
    """Return a message in short, e.g. `web run succeeded`."""
    words = [message.name.rpartition("/")[2], change_of(message)]
    if message.HasField("sync_run"):
        state = pb.RunState.Name(message.sync_run.state)
        words.append(state.removeprefix("RUN_STATE_").lower())
    return " ".join(word for word in words if word)


class Watcher:
    """Reads one stream."""

    def __init__(
        self, call: "grpc.aio.UnaryStreamCall[object, pb.WatchSecretSyncsResponse]"
    ) -> None:
        self.call = call

    async def next(self) -> pb.WatchSecretSyncsResponse:
        """Return the next message; the stream must have one."""
        async with asyncio.timeout(PATIENCE):
            message = await self.call.read()
        assert isinstance(message, pb.WatchSecretSyncsResponse)
        assert message.cursor
        return message

    async def until(self, last: str) -> list[pb.WatchSecretSyncsResponse]:
        """Return the messages up to one that is told like this, without those that may vary."""
        found = []
        while True:
            message = await self.next()
            if message.change not in TRANSIENT:
                found.append(message)
            if told(message) == last:
                return found

    async def end(self) -> tuple[list[pb.WatchSecretSyncsResponse], Refusal]:
        """Return the messages up to the end of the stream, and what that says."""
        found = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    message = await self.call.read()
                    assert isinstance(message, pb.WatchSecretSyncsResponse), "it ended with OK"
                    if message.change not in TRANSIENT:
                        found.append(message)
        except grpc.aio.AioRpcError as error:
            refusal = parse_refusal(error)
        assert refusal.domain == "secretsync"
        return found, refusal


@asynccontextmanager
async def watching(
    service: Service, parent: str = SYNC, cursor: str = ""
) -> AsyncIterator[Watcher]:
    """Watch for as long as this lasts."""
    request = pb.WatchSecretSyncsRequest(parent=parent, cursor=cursor)
    call = service.syncs.WatchSecretSyncs(request)
    try:
        yield Watcher(call)
    finally:
        call.cancel()
