"""What nobody expected reaches clients as INTERNAL with a correlation id, and nothing else."""

import logging
import re
from collections.abc import Awaitable, Callable

import grpc
import pytest
from recording_destination import Recorder
from refusals import refused
from service_kit import CONNECTION, SHOP, SYNC, Service

from secretsync.store.errors import ConstraintError, DiskError, StoreError
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_sync_service_pb2 as pb

SENTINEL = "sentinel-of-the-inside"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class OddError(Exception):
    """An exception that no code here knows."""


def check(refusal_message: str, metadata: dict[str, str], log: str, place: str) -> None:
    """Check that a client learns an id, and that the log has type and place under it."""
    (correlation_id,) = metadata.values()
    assert list(metadata) == ["correlation_id"]
    assert re.fullmatch(UUID, correlation_id)
    assert correlation_id in refusal_message
    assert SENTINEL not in refusal_message
    line = next(each for each in log.splitlines() if correlation_id in each)
    assert "OddError" in line
    assert place in line
    assert SENTINEL not in log


async def test_a_servicer_that_raises(
    shop: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def explode(_work: object) -> None:
        raise OddError(SENTINEL) from ValueError(SENTINEL)

    store = shop.server.app.store
    monkeypatch.setattr(type(store), "read", explode_method(explode))
    request = project_pb.GetProjectRequest(name=SHOP)
    refusal = await refused(shop.projects.GetProject(request))
    monkeypatch.undo()
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert refusal.fields == {}
    check(refusal.message, refusal.metadata, caplog.text, "services/projects.py")
    assert "caused by builtins.ValueError" in caplog.text


def explode_method(explode: Callable[[object], None]) -> Callable[..., Awaitable[None]]:
    async def method(_self: object, work: object) -> None:
        explode(work)

    return method


@pytest.mark.parametrize("hook", ["validate", "discover"])
async def test_a_plugin_that_raises_in_a_call(
    shop: Service, recorder: Recorder, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    caplog.set_level(logging.DEBUG)
    recorder.always[hook] = OddError(SENTINEL)
    validate = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    discover = connection_pb.ListConnectionOptionsRequest(name=CONNECTION, option_list="places")
    refusal = await refused(
        shop.connections.ValidateConnection(validate)
        if hook == "validate"
        else shop.connections.ListConnectionOptions(discover)
    )
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    check(refusal.message, refusal.metadata, caplog.text, "recording_destination.py")


async def test_a_plugin_that_raises_in_a_run(
    shop: Service, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    recorder.always["sync"] = OddError(SENTINEL)
    await shop.put({"K": "v"})
    await shop.add_sync()
    (run,) = await shop.quiet()
    assert (run.state, run.attempt) == (pb.RUN_STATE_FAILED, 1)
    assert run.error_reason == reasons.ERROR_REASON_INTERNAL
    found = re.search(UUID, run.message)
    assert found
    check(run.message, {"correlation_id": found[0]}, caplog.text, "recording_destination.py")


async def test_a_plugin_that_returns_something_else(
    shop: Service, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = shop.server.app.registry

    async def wrong(**_: object) -> str:
        return SENTINEL

    monkeypatch.setattr(type(registry), "_hook", lambda *_: wrong)
    validate = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    refusal = await refused(shop.connections.ValidateConnection(validate))
    assert refusal.reason == "INTERNAL"
    assert SENTINEL not in refusal.message
    await shop.put({"K": "v"})
    assert recorder.calls("validate")


@pytest.mark.parametrize("kind", [StoreError, DiskError, ConstraintError])
async def test_a_store_that_fails(
    shop: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[StoreError],
) -> None:
    def explode(_work: object) -> None:
        raise kind(SENTINEL)

    monkeypatch.setattr(type(shop.server.app.store), "write", explode_method(explode))
    refusal = await refused(shop.put({"K": "v"}))
    monkeypatch.undo()
    assert refusal.reason == "INTERNAL"
    assert SENTINEL not in refusal.message
    assert SENTINEL not in caplog.text
    assert kind.__name__ in caplog.text


async def test_the_server_goes_on_after_all_that(shop: Service, recorder: Recorder) -> None:
    recorder.failures["sync"] = [OddError(SENTINEL)]
    await shop.put({"K": "v"})
    await shop.add_sync()
    await shop.quiet()
    assert (await shop.trigger(SYNC)).state == pb.RUN_STATE_SUCCEEDED
