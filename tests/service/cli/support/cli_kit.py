"""A gRPC server that records requests and answers as told, and the command line run against it."""

import io
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from secretsync.v1 import (
    connection_service_pb2,
    project_service_pb2,
    secret_service_pb2,
    secret_sync_service_pb2,
)
from secretsync.v1.secret_sync_service_pb2 import (
    SYNC_CHANGE_RUN,
    SYNC_CHANGE_SYNCED,
    Destination,
    DestinationMethod,
    DestinationOptionList,
    SyncRun,
    WatchSecretSyncsResponse,
)

SECRET = "hunter2-\u00e4\U0001f511-$HOME-#{Octopus}"
"""A value that must never show unless it is asked for."""
MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""The real server's limit."""
SCRIPT = Path(sys.executable).with_name("secretsync")

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True)
class Failure:
    """What a method answers instead of a message."""

    code: grpc.StatusCode
    message: str
    details: Sequence[Message] = ()


SYNCED = WatchSecretSyncsResponse(change=SYNC_CHANGE_SYNCED, cursor="start")
Reply = Message | Failure | Callable[[Any], "Message | Failure"]


class FakeServer:
    """The four services on a loopback port; what they answer is up to the test.

    Attributes:
        requests: method and request of every call, in order.
        replies: what methods answer, by name; of a list, the last is answered ever again.
        streams: what methods that stream send, likewise, before they go on without an end.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Message]] = []
        self.requesters: list[str | None] = []
        self.replies: dict[str, Reply | list[Reply]] = {}
        self.streams: dict[str, list[Sequence[Any]]] = {
            "WatchSecretSyncs": [[SYNCED]],
        }
        self._server = grpc.server(
            ThreadPoolExecutor(4),
            options=[("grpc.max_receive_message_length", MAX_REQUEST_BYTES)],
        )
        for file in (
            connection_service_pb2,
            project_service_pb2,
            secret_service_pb2,
            secret_sync_service_pb2,
        ):
            for service in file.DESCRIPTOR.services_by_name.values():
                handlers = {method.name: self._handler(method) for method in service.methods}
                self._server.add_generic_rpc_handlers(
                    (grpc.method_handlers_generic_handler(service.full_name, handlers),)
                )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def only(self, method: str, kind: type[MessageT]) -> MessageT:
        """Return the one request that a method got."""
        (found,) = self.all(method, kind)
        return found

    def all(self, method: str, kind: type[MessageT]) -> list[MessageT]:
        """Return the requests that a method got."""
        found = [request for name, request in self.requests if name == method]
        assert all(isinstance(request, kind) for request in found)
        return found  # type: ignore[return-value]

    @property
    def methods(self) -> list[str]:
        """The methods that were called, in order."""
        return [name for name, _ in self.requests]

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
        answer_type = GetMessageClass(method.output_type)
        if method.server_streaming:
            return self._stream_handler(method)

        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            self.requests.append((method.name, request))
            metadata = dict(context.invocation_metadata())
            self.requesters.append(metadata.get("x-secretsync-requester"))
            reply = self.replies.get(method.name, answer_type())
            if isinstance(reply, list):
                reply = reply.pop(0) if len(reply) > 1 else reply[0]
            answer = reply if isinstance(reply, Message | Failure) else reply(request)
            if isinstance(answer, Failure):
                abort(context, answer)
            assert isinstance(answer, answer_type)
            return answer

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=answer_type.SerializeToString,
        )

    def _stream_handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
        def handle(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            self.requests.append((method.name, request))
            streams = self.streams[method.name]
            for answer in streams.pop(0) if len(streams) > 1 else streams[0]:
                if isinstance(answer, Failure):
                    abort(context, answer)
                yield answer
            # As the real one: it does not end by itself.
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait()

        return grpc.unary_stream_rpc_method_handler(
            handle,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )


def run_changed(run: SyncRun, cursor: str = "next") -> WatchSecretSyncsResponse:
    """Return what a stream says of a run that has changed."""
    name = run.name.partition("/runs/")[0]
    return WatchSecretSyncsResponse(change=SYNC_CHANGE_RUN, cursor=cursor, name=name, sync_run=run)


def abort(context: grpc.ServicerContext, failure: Failure) -> None:
    """End a call as the real server does: with google.rpc details."""
    status = Status(code=failure.code.value[0], message=failure.message)
    for detail in failure.details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))


@dataclass(frozen=True)
class Result:
    """What a command line did."""

    code: int
    stdout: bytes
    err: str

    @property
    def out(self) -> str:
        return self.stdout.decode()


class TextStream(io.TextIOWrapper):
    """A text stream in memory; a terminal if the test says so."""

    def __init__(self, data: bytes = b"", *, terminal: bool = False) -> None:
        self.memory = io.BytesIO(data)
        self.terminal = terminal
        super().__init__(self.memory, encoding="utf-8", newline="\n", write_through=True)

    def isatty(self) -> bool:
        return self.terminal


Run = Callable[..., Result]


def struct(data: Mapping[str, Any]) -> Struct:
    """Return a Struct with these fields."""
    made = Struct()
    made.update(data)
    return made


OCTOPUS = Destination(
    name="destinations/octopus-deploy",
    title="Octopus Deploy",
    description="Sensitive variables of an Octopus project.",
    available=True,
    distribution="secretsync-octopus-deploy 0.1.0",
    capabilities=["discover"],
    methods=[
        DestinationMethod(
            method="api-key",
            credentials_schema=struct(
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["instanceUrl", "apiKey"],
                    "properties": {
                        "instanceUrl": {"type": "string", "description": "Where Octopus is."},
                        "allowHttp": {"type": "boolean", "default": False},
                        "apiKey": {"type": "string", "format": "password", "writeOnly": True},
                    },
                }
            ),
        )
    ],
    config_schema=struct(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["spaceId", "projectId"],
            "properties": {
                "spaceId": {"type": "string", "description": "The space."},
                "projectId": {"type": "string"},
                "scope": {"type": "string", "default": "project"},
                "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "ratio": {"type": "number"},
                "strict": {"type": "boolean"},
                "scopeValues": {"$ref": "#/$defs/ScopeValues"},
            },
            "$defs": {
                "ScopeValues": {
                    "type": "object",
                    "properties": {
                        "environments": {"type": "array", "items": {"type": "string"}},
                        "roles": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
        }
    ),
    option_lists=[
        DestinationOptionList(option_list="spaces", description="The spaces."),
        DestinationOptionList(
            option_list="projects", description="The projects.", parameters=["spaceId"]
        ),
    ],
)


class Terminal:
    """A real `secretsync` process on a terminal of its own."""

    def __init__(self, *args: str, address: str) -> None:
        self._master, slave = os.openpty()
        self.seen = ""
        self._expected = 0
        # In a session of its own, so that a prompt cannot reach the terminal of whoever runs this.
        self._process = subprocess.Popen(
            [SCRIPT, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={
                **os.environ,
                "SECRETSYNC_ADDRESS": address,
                "SECRETSYNC_PROJECT": "shop",
                "COLUMNS": "100",
                "TERM": "xterm",
            },
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def expect(self, text: str, *, seconds: float = 60) -> None:
        """Read until a text appears after what was expected before."""
        deadline = time.monotonic() + seconds
        while text not in self.seen[self._expected :]:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            assert self._read(), f"ended without {text!r}: {self.seen!r}"
        self._expected = self.seen.index(text, self._expected) + len(text)

    def send(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C; the process has no controlling terminal that would do it."""
        self._process.send_signal(2)

    def finish(self, *, seconds: float = 60) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"did not end: {self.seen!r}"
        return self._process.wait(seconds)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 1.0)
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # Linux says so when the last process has closed the other end.
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
