"""Turns every exception of a servicer into a status that is clear, and tells nothing internal."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc.aio import AbortError, ServerInterceptor, ServicerContext
from grpc_status import rpc_status

from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.requester import METADATA_KEY, asked_by, check_requester
from secretsync.engine.unexpected import unexpected
from secretsync.interceptors.calls import CallCounter
from secretsync.interceptors.limits import bounded, shorten
from secretsync.store.protocol import StorageFullError

DOMAIN = "secretsync"
# grpc is subscriptable for type checkers only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context = ServicerContext[Any, Any]


class ErrorInterceptor(ServerInterceptor):
    """Maps the exceptions of this server's own methods, unary ones and streams.

    Args:
        calls: counts the unary ones that are under way.
    """

    def __init__(self, calls: CallCounter) -> None:
        self._calls = calls

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the method's handler."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        if handler.unary_stream is not None and _is_ours(handler_call_details):
            return _guarded_stream(handler)
        if handler.unary_unary is None:
            return handler
        inner: Callable[[Any, Any], Any] = handler.unary_unary
        parse: Callable[[bytes], Any] = handler.request_deserializer

        # It parses the request itself, since gRPC would tell the client of a parser's exception.
        async def guarded(request: bytes, context: Context) -> Any:  # noqa: ANN401
            with self._calls.counted():
                try:
                    with asked_by(_requester_of(context)):
                        return await inner(_parsed(parse, request), context)
                except Exception as error:  # noqa: BLE001  nothing internal may reach the client
                    await _end(context, error)

        return grpc.unary_unary_rpc_method_handler(
            guarded,
            request_deserializer=None,
            response_serializer=handler.response_serializer,
        )


def _is_ours(details: grpc.HandlerCallDetails) -> bool:
    """Tell whether a method is this server's own, and no part of health or reflection."""
    method: str = details.method
    return method.startswith("/secretsync.")


def _guarded_stream(handler: "grpc.RpcMethodHandler[Any, Any]") -> Handler:
    """Return the handler of a method that yields messages, with its exceptions mapped."""
    inner: Any = handler.unary_stream
    parse: Any = handler.request_deserializer

    async def guarded(request: bytes, context: Context) -> None:
        try:
            # Closed at once when the client has gone, and not whenever it is collected as garbage.
            async with aclosing(inner(_parsed(parse, request), context)) as messages:
                async for message in messages:
                    await context.write(message)
        except Exception as error:  # noqa: BLE001  nothing internal may reach the client
            await _end(context, error)

    return grpc.unary_stream_rpc_method_handler(
        guarded,
        request_deserializer=None,
        response_serializer=handler.response_serializer,
    )


async def _end(context: Context, error: Exception) -> None:
    """End a call with the status that tells of an exception."""
    if isinstance(error, AbortError):
        raise error
    if isinstance(error, Problem):
        await abort(context, error)
    elif isinstance(error, StorageFullError):
        await abort(context, storage_full())
    else:
        await abort(context, unexpected(error))


def _requester_of(context: Context) -> str:
    metadata = context.invocation_metadata() or ()
    return check_requester([value for key, value in metadata if key == METADATA_KEY])


def _parsed(parse: Callable[[bytes], Any], request: bytes) -> Any:  # noqa: ANN401
    try:
        return parse(request)
    except DecodeError:
        raise Problem(
            Code.INVALID_ARGUMENT,
            Reason.INVALID_FIELDS,
            "invalid request: it is not a message of this method, it is nested too deeply, or one"
            " of its texts is not UTF-8",
        ) from None


def storage_full() -> Problem:
    """Return the problem of a full disk."""
    return Problem(
        Code.RESOURCE_EXHAUSTED,
        Reason.STORAGE_FULL,
        "the disk of the server's data directory is full: nothing was changed; make room and try"
        " again",
    )


async def abort(context: Context, problem: Problem) -> None:
    """End a call with the status that tells of a problem."""
    status = rpc_status.to_status(status_of(problem))
    await context.abort(status.code, status.details, status.trailing_metadata)


def status_of(problem: Problem) -> status_pb2.Status:
    """Return a problem as google.rpc.Status with its details (https://google.aip.dev/193).

    It is kept small enough for the headers that clients accept: of very many violations, the last
    one tells how many were left out.
    """
    metadata = {name: shorten(value) for name, value in problem.metadata.items()}
    details: list[Any] = [
        error_details_pb2.ErrorInfo(reason=problem.reason, domain=DOMAIN, metadata=metadata)
    ]
    if problem.violations:
        violations = error_details_pb2.BadRequest()
        for each in bounded(problem.violations):
            violations.field_violations.add(field=each.field, description=each.description)
        details.append(violations)
    if problem.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(problem.retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(
        code=code_pb2.Code.Value(problem.code), message=shorten(problem.message)
    )
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
