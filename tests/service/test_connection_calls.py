"""ConnectionService: calls to the destination, their pages, and the errors that it answers with."""

from pathlib import Path

import grpc
import pytest
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, TOKEN, Service, running, struct, wait_for

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    Unsupported,
)
from secretsync.v1 import connection_service_pb2 as pb
from secretsync.v1 import error_reason_pb2
from secretsync.v1 import secret_sync_service_pb2 as sync_pb

VALIDATE = pb.ValidateConnectionRequest(name=CONNECTION)
ERRORS: list[tuple[AdapterError, grpc.StatusCode, str]] = [
    (AuthenticationFailed("m"), grpc.StatusCode.FAILED_PRECONDITION, "AUTHENTICATION_FAILED"),
    (
        PermissionDenied("m"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "DESTINATION_PERMISSION_DENIED",
    ),
    (NotFound("m"), grpc.StatusCode.FAILED_PRECONDITION, "DESTINATION_NOT_FOUND"),
    (Conflict("m"), grpc.StatusCode.ABORTED, "DESTINATION_CONFLICT"),
    (RateLimited("m"), grpc.StatusCode.UNAVAILABLE, "RATE_LIMITED"),
    (Unavailable("m"), grpc.StatusCode.UNAVAILABLE, "DESTINATION_UNAVAILABLE"),
    (InvalidConfig("m"), grpc.StatusCode.INVALID_ARGUMENT, "DESTINATION_CONFIG_INVALID"),
    (Unsupported("m"), grpc.StatusCode.FAILED_PRECONDITION, "UNSUPPORTED"),
    (AdapterError("m"), grpc.StatusCode.INTERNAL, "INTERNAL"),
]


async def options(
    service: Service, option_list: str = "places", *, size: int = 0, **parameters: str
) -> pb.ListConnectionOptionsResponse:
    return await service.connections.ListConnectionOptions(
        pb.ListConnectionOptionsRequest(
            name=CONNECTION, option_list=option_list, parameters=parameters, page_size=size
        )
    )


async def test_validate(shop: Service, recorder: Recorder) -> None:
    recorder.warnings = ("First.", "Second.")
    answer = await shop.connections.ValidateConnection(VALIDATE)
    assert answer.summary == "Recorder 1.0 as tester"
    assert list(answer.warnings) == ["First.", "Second."]


@pytest.mark.parametrize(("error", "code", "reason"), ERRORS, ids=lambda each: str(each)[:20])
async def test_what_the_destination_answers_is_passed_on(
    shop: Service, recorder: Recorder, error: AdapterError, code: grpc.StatusCode, reason: str
) -> None:
    before = shop.dump()
    recorder.always["validate"] = recorder.always["discover"] = error
    for attempt in (
        shop.connections.ValidateConnection(VALIDATE),
        shop.connect("new"),
        shop.add_sync(),
        options(shop),
    ):
        refusal = await refused(attempt)
        assert (refusal.code, refusal.reason, refusal.message) == (code, reason, "m")
    assert shop.dump() == before


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, None),
        (0.0, 0.0),
        (7.2, 7.2),
        (-3.0, 0.0),
        (1e300, 86_400.0),
        (float("inf"), 86_400.0),
        (float("nan"), None),
    ],
)
async def test_when_to_try_again_is_told(
    shop: Service, recorder: Recorder, seconds: float | None, told: float | None
) -> None:
    for error in (RateLimited("m", retry_after=seconds), Unavailable("m", retry_after=seconds)):
        recorder.always["validate"] = error
        refusal = await refused(shop.connections.ValidateConnection(VALIDATE))
        assert refusal.code == grpc.StatusCode.UNAVAILABLE
        assert refusal.retry_after == told


async def test_fields_that_the_destination_refuses_are_named_as_in_the_request(
    shop: Service, recorder: Recorder
) -> None:
    recorder.always["validate"] = InvalidConfig("Wrong.", violations={"a.b": "one", "c": "two"})
    refusal = await refused(shop.connect("new"))
    assert refusal.fields == {
        "connection.credentials.a.b": "one",
        "connection.credentials.c": "two",
    }
    refusal = await refused(shop.add_sync())
    assert set(refusal.fields) == {
        "secret_sync.destination_config.a.b",
        "secret_sync.destination_config.c",
    }
    recorder.always["discover"] = NotFound("No such place.", field="place")
    refusal = await refused(options(shop, "labels", place="x"))
    assert refusal.fields == {"parameters.place": "No such place."}


async def test_pages_of_options(shop: Service, recorder: Recorder) -> None:
    whole = await options(shop)
    assert [each.id for each in whole.options] == [f"places-{i}" for i in range(7)]
    assert whole.options[3].display_name == "Number 3"
    assert whole.next_page_token == ""
    await options(shop, size=10_000)
    await options(shop, size=3)
    assert [each.page_size for each in recorder.calls("discover")] == [50, 1000, 3]


async def test_parameters_of_an_option_list(shop: Service, recorder: Recorder) -> None:
    assert await invalid_fields(options(shop, "nothing")) == {
        "option_list": "must be one of places, labels"
    }
    assert await invalid_fields(options(shop, "labels", size=-1)) == {
        "parameters.place": "is required by this option list",
        "page_size": "must be 0 (for 50) to 1000",
    }
    assert await invalid_fields(options(shop, "labels", place="", space="x")) == {
        "parameters.place": "is required by this option list",
        "parameters.space": "is no parameter of this option list (place)",
    }
    assert await invalid_fields(options(shop, place="x")) == {
        "parameters.place": "is no parameter of this option list (none)"
    }
    assert recorder.calls("discover") == []
    await options(shop, "labels", place="here")
    (asked,) = recorder.calls("discover")
    assert (asked.option_list, dict(asked.parameters)) == ("labels", {"place": "here"})
    assert asked.credentials.token.reveal() == TOKEN


async def test_a_destination_without_option_lists(shop: Service) -> None:
    plain = Recorder("plain", discovers=False)
    shop.server.app.registry.register(plain, "plain")
    await shop.connections.DeleteConnection(pb.DeleteConnectionRequest(name=CONNECTION))
    await shop.connect(destination="plain")
    refusal = await refused(options(shop))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "UNSUPPORTED"
    assert refusal.message == "Plain does not support listing options"
    assert refusal.metadata == {"destination": "plain"}


async def test_credentials_that_were_altered_in_the_database_are_told_and_mended(
    shop: Service,
) -> None:
    await shop.tamper("UPDATE connections SET sealed_credentials = x'01'")
    for attempt in (
        shop.connections.ValidateConnection(VALIDATE),
        options(shop),
        shop.add_sync(),
    ):
        refusal = await refused(attempt)
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "AUTHENTICATION_FAILED"
        assert refusal.message == (
            f"the credentials of {CONNECTION} cannot be decrypted: set them again"
        )
    mended = pb.Connection(name=CONNECTION, credentials=struct({"server": "one", "token": "new"}))
    await shop.connections.UpdateConnection(pb.UpdateConnectionRequest(connection=mended))
    await shop.connections.ValidateConnection(VALIDATE)


async def test_a_connection_outlives_its_plugin(shop: Service) -> None:
    await shop.put({"K": "v"})
    await shop.add_sync(is_auto_sync_enabled=False)
    registry = shop.server.app.registry
    kept = registry.get("recorder")
    registry._loaded.pop("recorder")
    refusal = await refused(shop.connections.ValidateConnection(VALIDATE))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert (refusal.reason, refusal.metadata) == (
        "DESTINATION_NOT_LOADED",
        {"destination": "recorder"},
    )
    assert (await shop.sync()).destination == "destinations/recorder"
    run = await shop.trigger()
    assert run.message.startswith("there is no destination 'recorder'")
    told = await shop.sync()
    assert told.condition == sync_pb.SYNC_CONDITION_UNAVAILABLE
    assert "the plugin of destinations/recorder is not loaded" in told.hint.lower()
    registry._loaded["recorder"] = kept
    assert (await shop.trigger()).counts.created == 1


async def test_what_was_asked_for_without_a_plugin_is_done_when_it_is_back(tmp_path: Path) -> None:
    async with running(tmp_path / "data", retry_later=0.01) as shop:
        await shop.add_project()
        await shop.connect()
        await shop.put({"A": "a"})
        await shop.add_sync()
        await shop.quiet()
        registry = shop.server.app.registry
        kept = registry._loaded.pop("recorder")
        await shop.put({"A": "b"})

        async def failed() -> bool | None:
            reasons = {run.error_reason for run in await shop.runs()}
            return error_reason_pb2.ERROR_REASON_DESTINATION_NOT_LOADED in reasons or None

        await wait_for(failed)
        registry._loaded["recorder"] = kept

        async def synced() -> bool | None:
            return shop.recorder.held["web"] == {"A": "b"} or None

        await wait_for(synced)


async def test_a_destination_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path / "data", call_timeout=1.5) as shop:
        await shop.add_project()
        await shop.connect()
        shop.recorder.provable.clear()
        refusal = await refused(shop.connections.ValidateConnection(VALIDATE))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "DESTINATION_UNAVAILABLE"
    assert "did not answer within 1.5 s" in refusal.message
