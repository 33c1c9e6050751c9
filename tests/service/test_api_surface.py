"""What the server offers: services, health, reflection; and the API's documentation of reasons."""

import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from refusals import refused
from service_kit import SHOP, Service

from secretsync.domain.entities import RunState
from secretsync.domain.problems import Reason
from secretsync.grpc_server import SERVICE_NAMES
from secretsync.v1 import secret_sync_service_pb2 as sync_pb
from secretsync.v1.error_reason_pb2 import ErrorReason

PROTOS = Path(__file__).parents[2] / "protos" / "secretsync" / "v1"
PREFIX = "ERROR_REASON_"


async def test_health_is_told_per_service(service: Service) -> None:
    stub = HealthStub(service.channel)
    for name in ("", *SERVICE_NAMES):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="secretsync.v1.Missing"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_the_services(service: Service) -> None:
    stub = ServerReflectionStub(service.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    assert {each.name for each in answers[0].list_services_response.service} == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "secretsync.v1.ConnectionService",
        "secretsync.v1.ProjectService",
        "secretsync.v1.SecretService",
        "secretsync.v1.SecretSyncService",
    }


async def test_reflection_describes_every_service(service: Service) -> None:
    stub = ServerReflectionStub(service.channel)
    for name in SERVICE_NAMES:
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)
        (answer,) = [each async for each in stub.ServerReflectionInfo(iter([request]))]
        assert answer.file_descriptor_response.file_descriptor_proto, name


async def test_unknown_methods_are_unimplemented(service: Service) -> None:
    call: Any = service.channel.unary_unary("/secretsync.v1.ProjectService/Explode")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff",
        # A name that is not UTF-8, as a client that does not check its texts may send.
        b"\x0a\x04sh\xffp",
    ],
)
async def test_bytes_that_are_no_request(
    service: Service, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    call: Any = service.channel.unary_unary("/secretsync.v1.ProjectService/GetProject")
    refusal = await refused(call(data))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_FIELDS"
    assert refusal.message.startswith("invalid request: it is not a message of this method")
    assert caplog.text == ""


async def test_a_configuration_that_is_nested_too_deeply(shop: Service) -> None:
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"x": deep}
    request = sync_pb.CreateSecretSyncRequest(parent=SHOP)
    request.secret_sync.destination_config.update(deep)
    refusal = await refused(shop.syncs.CreateSecretSync(request))
    assert refusal.reason == "INVALID_FIELDS"
    assert "nested too deeply" in refusal.message


def test_the_documented_reasons_are_those_of_the_code() -> None:
    documented = {name.removeprefix(PREFIX) for name in ErrorReason.keys()}  # noqa: SIM118  an enum wrapper is no dict
    assert documented - {"UNSPECIFIED"} == {reason.value for reason in Reason}


def test_every_reason_that_a_service_names_exists() -> None:
    for path in PROTOS.glob("*_service.proto"):
        comments = " ".join(re.findall(r"// ?(.*)", path.read_text()))
        named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", comments))
        codes = {code.name for code in grpc.StatusCode} | {"RUN_STATE", "KEY_ACTION"}
        enums = {"OVERWRITE_DESTINATION", "KEEP_ALIVE", *(state.name for state in RunState)}
        unknown = {
            name
            for name in named - codes - enums
            if name not in Reason.__members__ and not name.startswith(("KEY_ACTION_", "KEY_STATE_"))
        }
        assert unknown == set(), path.name
