"""Ctrl-C ends a command at once, whatever its call was about to do."""

import signal
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Self

import grpc
import pytest

from secretsync.cli.client import Client
from secretsync.cli.errors import CliError
from secretsync.cli.framework import State
from secretsync.cli.waiting import wait_for_run
from secretsync.v1 import secret_sync_service_pb2 as messages
from secretsync.v1 import secret_sync_service_pb2_grpc as stubs

pytestmark = pytest.mark.usefixtures("interruptible")


def interrupt() -> None:
    """Do what Ctrl-C does."""
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


class Silent(stubs.SecretSyncServiceServicer):
    """A server that never answers, and whose callers lose patience. Counts the calls that ended."""

    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)

    def _say_nothing(self, _: object, context: grpc.ServicerContext) -> None:
        over = threading.Event()
        context.add_callback(over.set)
        interrupt()
        over.wait(60)
        self.ended.release()

    GetSyncRun = _say_nothing

    def WatchSecretSyncs(  # noqa: N802 -- gRPC's
        self, request: object, context: grpc.ServicerContext
    ) -> Iterator[messages.WatchSecretSyncsResponse]:
        self._say_nothing(request, context)
        yield from ()


@pytest.fixture
def silent() -> Iterator[tuple[Silent, State]]:
    servicer = Silent()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    stubs.add_SecretSyncServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, State(address=f"127.0.0.1:{port}")
    server.stop(None).wait()


def test_a_call_that_is_not_answered(silent: tuple[Silent, State]) -> None:
    servicer, state = silent
    with pytest.raises(KeyboardInterrupt), Client(state) as client:
        client.call(client.syncs.GetSyncRun, messages.GetSyncRunRequest())
    assert servicer.ended.acquire(timeout=30)


def test_a_stream_that_says_nothing(silent: tuple[Silent, State]) -> None:
    servicer, state = silent
    with pytest.raises(KeyboardInterrupt), Client(state) as client:
        list(client.stream(client.syncs.WatchSecretSyncs, messages.WatchSecretSyncsRequest()))
    assert servicer.ended.acquire(timeout=30)


def test_waiting_for_a_run(silent: tuple[Silent, State]) -> None:
    servicer, state = silent
    with pytest.raises(CliError, match="interrupted") as told, Client(state) as client:
        wait_for_run(client, "projects/shop/secretSyncs/dev/runs/1")
    assert "the run goes on" in told.value.hint
    assert servicer.ended.acquire(timeout=30)


class Careful:
    """Stands for what gRPC does in a call: no part of it may be interrupted. Counts the parts."""

    def __init__(self) -> None:
        self.whole = threading.Semaphore(0)

    def call(self, *_: object, **__: object) -> messages.WatchSecretSyncsResponse:
        interrupt()
        threading.Event().wait(0.1)
        self.whole.release()
        return messages.WatchSecretSyncsResponse()

    def stream(self, *_: object, **__: object) -> Self:
        return self

    __next__ = call

    def cancel(self) -> None:
        """End the call."""


class Ending(Careful):
    """Also stands for what gRPC does to end calls: a second Ctrl-C comes then."""

    def __next__(self) -> messages.WatchSecretSyncsResponse:
        return messages.WatchSecretSyncsResponse()

    def cancel(self) -> None:
        self.call()

    close = cancel


def test_what_grpc_does_is_not_interrupted() -> None:
    """It would leave a call behind that never ends."""
    careful = Careful()
    with pytest.raises(KeyboardInterrupt), Client(State()) as client:
        client.call(careful.call, messages.GetSyncRunRequest())
    assert careful.whole.acquire(timeout=30)


def test_nor_is_it_while_it_waits_for_a_message() -> None:
    careful = Careful()
    with pytest.raises(KeyboardInterrupt), Client(State()) as client:
        next(client.stream(careful.stream, messages.WatchSecretSyncsRequest()))
    assert careful.whole.acquire(timeout=30)


def test_nor_while_it_begins_a_stream() -> None:
    careful = Careful()
    with pytest.raises(KeyboardInterrupt), Client(State()) as client:
        next(client.stream(careful.call, messages.WatchSecretSyncsRequest()))
    assert careful.whole.acquire(timeout=30)


def test_nor_while_it_ends_a_stream() -> None:
    ending = Ending()
    with Client(State()) as client:
        stream = client.stream(ending.stream, messages.WatchSecretSyncsRequest())
        next(stream)
        with pytest.raises(KeyboardInterrupt):
            stream.close()
    assert ending.whole.acquire(timeout=30)


def test_nor_while_it_closes_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    ending = Ending()
    monkeypatch.setattr("grpc.insecure_channel", lambda *_, **__: ending)
    client = Client(State())
    with pytest.raises(KeyboardInterrupt):
        client.__exit__(None, None, None)
    assert ending.whole.acquire(timeout=30)
