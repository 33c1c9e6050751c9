"""Between the API's messages and the domain's records: what several servicers need."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict, SerializeToJsonError
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import ServicerContext

from secretsync.domain.problems import Violations
from secretsync.operations.app import Call
from secretsync.operations.paging import PageRequest

M = TypeVar("M", bound=Message)
Context = ServicerContext[Any, Any]


class _Mutation(Protocol):
    """A request that changes something."""

    request_id: str
    validate_only: bool

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


class _ListRequest(Protocol):
    page_size: int
    page_token: str


def call_of(request: _Mutation, answer: type[M]) -> Call[M]:
    """Return how a change was asked for.

    Args:
        request: the request; its type names the method.
        answer: the type of the answer.
    """
    return Call(
        method=type(request).__name__.removesuffix("Request"),
        body=request.SerializeToString(deterministic=True),
        parse=answer.FromString,
        request_id=request.request_id,
        validate_only=request.validate_only,
    )


def page_of(request: _ListRequest) -> PageRequest:
    """Return what a list request says of pages."""
    return PageRequest(request.page_size, request.page_token)


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return a time as a message; None stays None."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def moment_of(request: Message, field: str, violations: Violations) -> datetime | None:
    """Return the time in a field of a request; None if it is not set.

    Args:
        request: the request.
        field: the field's name.
        violations: takes note if it is no time from the year 1 to 9999.
    """
    if not request.HasField(field):
        return None
    try:
        moment: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        violations.add(field, "must be a time from the year 1 to 9999")
        return None
    return moment


def struct(values: Any) -> Struct:  # noqa: ANN401
    """Return JSON-like values as a Struct."""
    return ParseDict(values, Struct())


def plain(message: Struct, field: str, violations: Violations) -> dict[str, Any]:
    """Return a Struct as JSON-like values; whole numbers as int, as JSON has them.

    Args:
        message: the Struct.
        field: its path in the request.
        violations: takes note if it holds what JSON does not have.
    """
    try:
        values: dict[str, Any] = MessageToDict(message)
    except (SerializeToJsonError, ValueError):
        violations.add(field, "must not hold infinite numbers or values that are not set")
        return {}
    return {name: _whole(value) for name, value in values.items()}


def _whole(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return value


def present_fields(message: Message, names: Iterable[str]) -> set[str]:
    """Return which of the fields are set: those that an empty update mask means."""
    set_fields = {descriptor.name for descriptor, _ in message.ListFields()}
    return {name for name in names if name in set_fields}
