"""The connection to the server: one channel, its stubs, deadlines, errors and pages."""

import ipaddress
from collections.abc import Callable, Generator
from concurrent import futures
from functools import cached_property, update_wrapper
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, Self, TypeVar

import click
import grpc

from secretsync.cli.errors import invalid
from secretsync.cli.framework import State
from secretsync.cli.requester import requester_metadata
from secretsync.cli.rpc_errors import from_rpc
from secretsync.v1.connection_service_pb2_grpc import ConnectionServiceStub
from secretsync.v1.project_service_pb2_grpc import ProjectServiceStub
from secretsync.v1.secret_service_pb2_grpc import SecretServiceStub
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub

_MAX_PORT = 65535
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_LONGEST_DEAFNESS = 0.2
"""Seconds after which Ctrl-C is heard at the latest."""

P = ParamSpec("P")
RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


class PageRequest(Protocol):
    """A List request."""

    page_size: int
    page_token: str


class PageAnswer(Protocol):
    """The answer to a List request."""

    next_page_token: str


PageRequestT = TypeVar("PageRequestT", bound=PageRequest)
PageAnswerT = TypeVar("PageAnswerT", bound=PageAnswer)
ItemT = TypeVar("ItemT")


class Client:
    """Calls the server. A context manager: leaving it closes the channel.

    Args:
        state: where the server is, and how long a call may take.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._metadata = requester_metadata()
        self._calls = futures.ThreadPoolExecutor(max_workers=1)
        # Not the thread of the calls: that one may be waiting for what is to be ended.
        self._ends = futures.ThreadPoolExecutor(max_workers=1)
        self._channel = grpc.insecure_channel(
            check_address(state.address),
            options=[
                ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
                # A loopback server is never behind a proxy.
                ("grpc.enable_http_proxy", 0),
            ],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        closed = self._ends.submit(self._channel.close)
        self._calls.shutdown(wait=False)
        self._ends.shutdown(wait=False)
        _wait_for(closed)

    @cached_property
    def projects(self) -> ProjectServiceStub:
        """Stub of ProjectService."""
        return ProjectServiceStub(self._channel)

    @cached_property
    def secrets(self) -> SecretServiceStub:
        """Stub of SecretService."""
        return SecretServiceStub(self._channel)

    @cached_property
    def connections(self) -> ConnectionServiceStub:
        """Stub of ConnectionService."""
        return ConnectionServiceStub(self._channel)

    @cached_property
    def syncs(self) -> SecretSyncServiceStub:
        """Stub of SecretSyncService."""
        return SecretSyncServiceStub(self._channel)

    def call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[RequestT, AnswerT]",
        request: RequestT,
        *,
        timeout: float | None = None,
    ) -> AnswerT:
        """Call a method.

        Args:
            method: the stub's method.
            request: its request.
            timeout: seconds. Default: as `--timeout` says.

        Raises:
            CliError: the call failed.
        """
        seconds = self.state.call_timeout if timeout is None else timeout
        try:
            return self._apart(lambda: method(request, timeout=seconds, metadata=self._metadata))
        except grpc.RpcError as error:
            raise from_rpc(error, self.state.address, seconds) from None

    def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[RequestT, AnswerT]",
        request: RequestT,
        *,
        timeout: float | None = None,
    ) -> Generator[AnswerT]:
        """Call a method that streams, and yield its messages. Closing the generator ends the call.

        Args:
            method: the stub's method.
            request: its request.
            timeout: seconds that the stream may last. Default: no limit.

        Raises:
            CliError: the stream failed.
        """
        call = self._apart(lambda: method(request, timeout=timeout))
        try:
            while (message := self._apart(lambda: next(call, None))) is not None:
                yield message
        except grpc.RpcError as error:
            raise from_rpc(error, self.state.address, timeout or 0) from None
        finally:
            _wait_for(self._ends.submit(call.cancel))

    def _apart(self, step: Callable[[], AnswerT]) -> AnswerT:
        """Let gRPC do something where Ctrl-C, which interrupts the main thread only, does not.

        A call that is interrupted just as it begins never ends, and to close its channel would wait
        for it. Here the wait is interrupted instead, and closing the channel ends the call. Ending
        calls and closing the channel are done apart likewise: a second Ctrl-C, which `timeout`
        sends by itself, would leave behind locks that are never released.
        """
        return _wait_for(self._calls.submit(step))

    def pages(
        self,
        method: "grpc.UnaryUnaryMultiCallable[PageRequestT, PageAnswerT]",
        request: PageRequestT,
        items: Callable[[PageAnswerT], list[ItemT]],
        *,
        limit: int | None = None,
    ) -> list[ItemT]:
        """Call a List method until its last page and return all items.

        Args:
            method: the stub's method.
            request: its first request; page_token is changed.
            items: takes the items out of an answer.
            limit: stop after so many. Default: all.

        Raises:
            CliError: a call failed.
        """
        found: list[ItemT] = []
        while True:
            answer = self.call(method, request)
            found += items(answer)
            if limit is not None and len(found) >= limit:
                return found[:limit]
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token


def check_address(address: str) -> str:
    """Return an address that may be used.

    Raises:
        CliError: it is no HOST:PORT, or not of this machine: the protocol is not encrypted yet.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
        raise invalid(f"--address must be HOST:PORT, e.g. 127.0.0.1:8470, not {address!r}")
    host = host.removeprefix("[").removesuffix("]")
    if host != "localhost" and not _is_loopback(host):
        raise invalid(
            f"--address {address} is not an address of this machine",
            hint="calls are not encrypted yet, so secrets may only travel over loopback "
            "(127.0.0.1, [::1], localhost)",
        )
    return address


def _wait_for(done: "futures.Future[AnswerT]") -> AnswerT:
    """Return what another thread comes to."""
    # A signal that comes just before a wait begins does not end it, so each wait is short.
    while not futures.wait([done], timeout=_LONGEST_DEAFNESS).done:
        pass
    return done.result()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def pass_client(command: Callable[Concatenate[Client, P], None]) -> Callable[P, None]:
    """Give a command a client as its first argument, closed when the command ends."""

    def with_client(*args: P.args, **options: P.kwargs) -> None:
        with Client(click.get_current_context().ensure_object(State)) as client:
            command(client, *args, **options)

    return update_wrapper(with_client, command)
