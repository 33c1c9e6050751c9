"""What failed calls say, in a shape that tests can compare."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class Refusal:
    """What a failed call says.

    Attributes:
        fields: descriptions by field, in the order of the BadRequest.
        retry_after: seconds of the RetryInfo; None if there is none.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None


def parse_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Return what a failed call says."""
    status = rpc_status.from_call(error)
    found: dict[str, Any] = {}
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            found |= {"reason": info.reason, "domain": info.domain}
            found["metadata"] = dict(info.metadata)
        if detail.Unpack(bad):
            found["fields"] = {each.field: each.description for each in bad.field_violations}
        if detail.Unpack(retry):
            found["retry_after"] = retry.retry_delay.ToTimedelta().total_seconds()
    return Refusal(error.code(), error.details() or "", **found)


async def refused(call: Awaitable[object]) -> Refusal:
    """Await a call that must fail with this service's own details, and return what it says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    refusal = parse_refusal(caught.value)
    assert refusal.domain == "secretsync"
    assert refusal.message
    return refusal


async def invalid_fields(call: Awaitable[object]) -> dict[str, str]:
    """Await a call that must fail with INVALID_FIELDS, and return the descriptions by field."""
    refusal = await refused(call)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELDS",
    ), refusal
    for name, description in refusal.fields.items():
        assert f"{name}: {description}" in refusal.message
    return refusal.fields
