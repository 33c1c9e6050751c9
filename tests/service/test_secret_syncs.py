"""SecretSyncService: creating secret syncs, and what is shown of them."""

import json
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, Service, struct

from secretsync.adapter import NotFound, Unavailable
from secretsync.v1 import secret_sync_service_pb2 as pb

DEFAULTS = {
    "initial_sync_behavior": pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
    "key_schema": "",
    "disable_secret_deletion": False,
}


async def test_create_with_everything(shop: Service, recorder: Recorder) -> None:
    await shop.put({"K": "v"}, path="/api")
    config = {"place": "here", "labels": ["a", "b"]}
    created = await shop.add_sync(
        name="forged",
        uid="forged",
        destination="destinations/forged",
        version=9,
        description="d" * 256,
        source=pb.SecretSource(environment=DEV, secret_path="/api", recursive=True),
        destination_config=struct(config),
        sync_options=pb.SyncOptions(
            initial_sync_behavior=pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION,
            key_schema="{{environment}}:{{secretKey}}",
            disable_secret_deletion=True,
        ),
        is_enabled=True,
        is_auto_sync_enabled=True,
    )
    assert created.name == SYNC
    assert created.uid not in {"", "forged"}
    assert created.description == "d" * 256
    assert created.destination == "destinations/recorder"
    assert created.connection == CONNECTION
    assert (created.source.environment, created.source.secret_path) == (DEV, "/api")
    assert created.source.recursive
    assert created.destination_config == struct(config)
    assert created.sync_options.key_schema == "{{environment}}:{{secretKey}}"
    assert created.sync_options.disable_secret_deletion
    assert (created.is_enabled, created.is_auto_sync_enabled) == (True, True)
    assert created.version == 1
    assert created.etag
    assert created.create_time == created.update_time
    assert created.sync_status.state == pb.RUN_STATE_PENDING
    assert created.sync_status.last_run.startswith(f"{SYNC}/runs/")
    await shop.quiet()
    assert recorder.held["here"] == {"dev:K": "v"}
    (asked, *_) = (each for each in recorder.calls("validate") if each.config)
    assert (asked.config.place, asked.config.labels) == ("here", ["a", "b"])


async def test_a_configuration_has_a_size_that_lists_can_bear(shop: Service) -> None:
    def config(size: int) -> Struct:
        rest = len(json.dumps({"place": "here", "labels": [""]}))
        return struct({"place": "here", "labels": ["x" * (size - rest)]})

    fields = await invalid_fields(shop.add_sync(destination_config=config(65537)))
    assert fields == {
        "secret_sync.destination_config": "must have at most 65536 bytes as JSON, has 65537"
    }
    created = await shop.add_sync(destination_config=config(65536))
    assert created.destination_config == config(65536)


async def test_create_with_defaults(shop: Service) -> None:
    created = await shop.add_sync()
    assert created.source.secret_path == "/"
    assert not created.source.recursive
    assert {name: getattr(created.sync_options, name) for name in DEFAULTS} == DEFAULTS
    assert created.HasField("is_enabled")
    assert created.is_enabled
    assert created.is_auto_sync_enabled
    for status in (created.import_status, created.remove_status):
        assert status == pb.RunStatus()
    await shop.quiet()
    shown = await shop.sync()
    assert shown.etag == created.etag
    assert shown.update_time == created.update_time
    listed = await shop.syncs.ListSecretSyncs(pb.ListSecretSyncsRequest(parent=SHOP))
    assert list(listed.secret_syncs) == [shown]


@pytest.mark.parametrize(
    ("enabled", "auto", "queued"),
    [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)],
)
async def test_a_first_run_is_queued_if_enabled_with_auto_sync(
    shop: Service, *, enabled: bool, auto: bool, queued: int
) -> None:
    created = await shop.add_sync(is_enabled=enabled, is_auto_sync_enabled=auto)
    assert (created.is_enabled, created.is_auto_sync_enabled) == (enabled, auto)
    assert created.sync_status.state == (pb.RUN_STATE_PENDING if queued else 0)
    runs = await shop.quiet()
    assert [run.trigger for run in runs] == [pb.RUN_TRIGGER_CREATE] * queued


async def test_create_what_exists(shop: Service, recorder: Recorder) -> None:
    await shop.add_sync(is_auto_sync_enabled=False)
    before, asked = shop.dump(), len(recorder.requests)
    refusal = await refused(shop.add_sync())
    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "RESOURCE_ALREADY_EXISTS"
    assert refusal.metadata == {"resource": SYNC}
    assert shop.dump() == before
    assert len(recorder.requests) == asked


async def test_what_a_sync_names_must_exist(shop: Service, recorder: Recorder) -> None:
    before, asked = shop.dump(), len(recorder.requests)
    missing: dict[str, dict[str, Any]] = {
        f"{SHOP}/connections/missing": {"connection": f"{SHOP}/connections/missing"},
        f"{SHOP}/environments/missing": {
            "source": pb.SecretSource(environment=f"{SHOP}/environments/missing")
        },
        DEV: {"source": pb.SecretSource(environment=DEV, secret_path="/missing")},
    }
    fields = ["secret_sync.connection", "secret_sync.source.environment"]
    fields.append("secret_sync.source.secret_path")
    for (resource, given), field in zip(missing.items(), fields, strict=True):
        refusal = await refused(shop.add_sync(**given))
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        assert refusal.metadata == {"resource": resource}
        assert refusal.message.startswith(f"{field}: {resource} ")
    assert "write a secret there first" in refusal.message
    assert shop.dump() == before
    assert len(recorder.requests) == asked


async def test_what_a_sync_names_must_be_of_its_project(shop: Service) -> None:
    await shop.add_project("other")
    await shop.connect(parent="projects/other")
    before = shop.dump()
    fields = await invalid_fields(
        shop.add_sync(
            connection="projects/other/connections/main",
            source=pb.SecretSource(environment="projects/other/environments/dev"),
        )
    )
    rule = f"must be of the same project, {SHOP}"
    assert fields == {"secret_sync.connection": rule, "secret_sync.source.environment": rule}
    assert shop.dump() == before


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ("APP_", "must have {{secretKey}} exactly once, has it 0 times, e.g. APP_{{secretKey}}"),
        ("{{environment}}", "must have {{secretKey}} exactly once, has it 0 times"),
        ("{{secretKey}}{{secretKey}}", "must have {{secretKey}} exactly once, has it 2 times"),
        ("{{secretkey}}", "must have {{secretKey}} exactly once, has it 0 times"),
        ("{{secretKey}}{x}", "must not have braces other than those of"),
        ("{{{secretKey}}}", "must not have braces other than those of"),
        ("a\n{{secretKey}}", "must not have control characters or line breaks"),
        ("\x00{{secretKey}}", "must not have control characters or line breaks"),
        ("{{secretKey}}" + "x" * 243, "must have at most 255 characters, has 256"),
    ],
)
async def test_key_schemas_that_break_a_rule(shop: Service, schema: str, rule: str) -> None:
    before = shop.dump()
    fields = await invalid_fields(shop.add_sync(sync_options=pb.SyncOptions(key_schema=schema)))
    assert fields.keys() == {"secret_sync.sync_options.key_schema"}
    assert fields["secret_sync.sync_options.key_schema"].startswith(rule)
    assert shop.dump() == before


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("{{secretKey}}", "K"),
        ("App:{{secretKey}}.v1", "App:K.v1"),
        ("{{environment}}/{{environment}}/{{secretKey}}", "dev/dev/K"),
        ("\U0001f511 {{secretKey}}", "\U0001f511 K"),
    ],
)
async def test_key_schemas(shop: Service, recorder: Recorder, schema: str, name: str) -> None:
    await shop.put({"K": "v"})
    created = await shop.add_sync(sync_options=pb.SyncOptions(key_schema=schema))
    assert created.sync_options.key_schema == schema
    await shop.quiet()
    assert recorder.held["web"] == {name: "v"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"place": "is required"}),
        ({"place": 7}, {"place": "Input should be a valid string"}),
        ({"place": "x", "palce": 1}, {"palce": "is not a field; known fields are: labels, place"}),
        ({"place": "x", "labels": "a"}, {"labels": "Input should be a valid array"}),
        ({"place": "x", "labels": ["a", {}]}, {"labels.1": "Input should be a valid string"}),
        ({"place": float("nan")}, {"": "must not hold infinite numbers"}),
    ],
)
async def test_malformed_configurations(
    shop: Service, recorder: Recorder, config: dict[str, Any], expected: dict[str, str]
) -> None:
    before, asked = shop.dump(), len(recorder.requests)
    fields = await invalid_fields(shop.add_sync(destination_config=struct(config)))
    for name, rule in expected.items():
        field = f"secret_sync.destination_config.{name}".rstrip(".")
        assert fields[field].startswith(rule)
    assert shop.dump() == before
    assert len(recorder.requests) == asked


async def test_the_configuration_is_proved_against_the_destination(
    shop: Service, recorder: Recorder
) -> None:
    before = shop.dump()
    recorder.failures["validate"] = [NotFound("There is no place.", field="place")]
    refusal = await refused(shop.add_sync())
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "DESTINATION_NOT_FOUND"
    assert refusal.fields == {"secret_sync.destination_config.place": "There is no place."}
    recorder.failures["validate"] = [Unavailable("It is down.", hint="Wait.", retry_after=3)]
    refusal = await refused(shop.add_sync())
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.message == "It is down. (Wait.)"
    assert refusal.retry_after == 3
    assert shop.dump() == before


@pytest.mark.parametrize(
    "behavior",
    [
        pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE,
        pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_DESTINATION,
    ],
)
async def test_import_behaviours_of_destinations_that_cannot_import(
    shop: Service,
    behavior: Any,  # noqa: ANN401  what it is called differs between protobuf's type stubs
) -> None:
    await shop.add_sync("other", is_auto_sync_enabled=False)
    before = shop.dump()
    options = pb.SyncOptions(initial_sync_behavior=behavior)
    for attempt in (
        shop.add_sync(sync_options=options),
        shop.update_sync(name=f"{SHOP}/secretSyncs/other", sync_options=options),
    ):
        refusal = await refused(attempt)
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "UNSUPPORTED"
        assert refusal.metadata == {"destination": "recorder"}
        assert "Recorder does not support importing secrets" in refusal.message
        assert "initial_sync_behavior" in refusal.message
    assert shop.dump() == before


async def test_import_secrets(shop: Service) -> None:
    await shop.add_sync(is_auto_sync_enabled=False)
    before = shop.dump()
    request = pb.ImportSecretsRequest(name=SYNC, request_id="one")
    for _ in range(2):
        refusal = await refused(shop.syncs.ImportSecrets(request))
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "UNSUPPORTED"
        assert refusal.metadata == {"destination": "recorder"}
        assert "does not support importing secrets" in refusal.message
    assert shop.dump() == before


async def test_two_syncs_of_one_source(shop: Service, recorder: Recorder) -> None:
    await shop.put({"K": "dev"})
    await shop.put({"K": "prod"}, parent=PROD)
    await shop.add_sync("one")
    await shop.add_sync("two", source=pb.SecretSource(environment=PROD))
    for slug, value in (("one", "dev"), ("two", "prod")):
        await shop.quiet(f"{SHOP}/secretSyncs/{slug}")
        assert recorder.held[slug] == {"K": value}
