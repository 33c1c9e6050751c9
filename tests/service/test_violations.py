"""All that is wrong with a request is told at once, and however much it is, the answer arrives."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from mutations import prepare
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SHOP, Service, running, struct

from secretsync.v1 import connection_service_pb2 as connections
from secretsync.v1 import project_service_pb2 as projects
from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = "x" * 257


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A server with a bit of everything; no test here changes it."""
    async with running(tmp_path_factory.mktemp("names")) as service:
        await prepare(service)
        yield service


async def test_all_that_is_wrong_with_a_request_is_told_at_once(prepared: Service) -> None:
    cases: list[tuple[str, Any, set[str]]] = [
        (
            "CreateProject",
            projects.CreateProjectRequest(
                project_id="Shop",
                project=projects.Project(display_name=LONG, description=LONG),
                request_id=LONG,
            ),
            {"project_id", "project.display_name", "project.description", "request_id"},
        ),
        (
            "UpdateEnvironment",
            projects.UpdateEnvironmentRequest(
                environment=projects.Environment(name="x", display_name=LONG, description=LONG),
                update_mask={"paths": ["display_name", "description", "name"]},  # type: ignore[arg-type]
            ),
            {
                "environment.name",
                "environment.display_name",
                "environment.description",
                "update_mask",
            },
        ),
        (
            "SetSecrets",
            secrets.SetSecretsRequest(
                parent="dev",
                path="api",
                secrets=[
                    secrets.Secret(key="", value="v", comment="c" * 1025),
                    secrets.Secret(key="a/b", value="v" * (64 * 1024 + 1)),
                    secrets.Secret(key="K"),
                    secrets.Secret(key="K"),
                ],
            ),
            {
                "parent",
                "path",
                "secrets",
                "secrets[0].key",
                "secrets[0].comment",
                "secrets[1].key",
                "secrets[1].value",
            },
        ),
        (
            "GetSecret",
            secrets.GetSecretRequest(parent="dev", path="api", key=""),
            {"parent", "path", "key"},
        ),
        (
            "ListSecrets",
            secrets.ListSecretsRequest(parent="dev", path="api", page_size=-1, page_token="x"),
            {"parent", "path", "page_size", "page_token"},
        ),
        (
            "DeleteSecrets",
            secrets.DeleteSecretsRequest(parent="dev", path="api"),
            {"parent", "path", "keys"},
        ),
        (
            "CreateSecretImport",
            secrets.CreateSecretImportRequest(
                parent="dev",
                secret_import=secrets.SecretImport(
                    path="a", import_environment="prod", import_path="b"
                ),
            ),
            {
                "parent",
                "secret_import.path",
                "secret_import.import_environment",
                "secret_import.import_path",
            },
        ),
        (
            "CreateConnection",
            connections.CreateConnectionRequest(
                parent="shop",
                connection_id="Main",
                connection=connections.Connection(
                    description=LONG,
                    destination="destinations/recorder",
                    method="token",
                    credentials=struct({"server": 1, "surplus": True}),
                ),
                request_id=LONG,
            ),
            {
                "parent",
                "connection_id",
                "connection.description",
                "connection.credentials.server",
                "connection.credentials.token",
                "connection.credentials.surplus",
                "request_id",
            },
        ),
        (
            "UpdateConnection",
            connections.UpdateConnectionRequest(
                connection=connections.Connection(
                    name=CONNECTION, description=LONG, credentials=struct({"server": "one"})
                ),
                update_mask={"paths": ["description", "credentials", "uid"]},  # type: ignore[arg-type]
                request_id=LONG,
            ),
            {
                "connection.description",
                "connection.credentials.token",
                "update_mask",
                "request_id",
            },
        ),
        (
            "CreateSecretSync",
            syncs.CreateSecretSyncRequest(
                parent=SHOP,
                secret_sync_id="Web",
                secret_sync=syncs.SecretSync(
                    description=LONG,
                    connection=CONNECTION,
                    source=syncs.SecretSource(
                        environment="projects/spare/environments/one", secret_path="api"
                    ),
                    destination_config=struct({"labels": [1], "surplus": None}),
                    sync_options=syncs.SyncOptions(
                        key_schema="none",
                        initial_sync_behavior=9,  # type: ignore[arg-type]
                    ),
                ),
                request_id=LONG,
            ),
            {
                "secret_sync_id",
                "secret_sync.description",
                "secret_sync.source.environment",
                "secret_sync.source.secret_path",
                "secret_sync.destination_config.place",
                "secret_sync.destination_config.labels.0",
                "secret_sync.destination_config.surplus",
                "secret_sync.sync_options.key_schema",
                "secret_sync.sync_options.initial_sync_behavior",
                "request_id",
            },
        ),
        (
            "PauseSyncing",
            syncs.PauseSyncingRequest(name="everything", reason=LONG, request_id=LONG),
            {"name", "reason", "request_id"},
        ),
        (
            "ResumeSyncing",
            syncs.ResumeSyncingRequest(name="projects/shop", request_id=LONG),
            {"name", "request_id"},
        ),
    ]
    before = prepared.dump()
    for method, request, expected in cases:
        assert (await invalid_fields(prepared.call(method, request))).keys() == expected, method
    assert prepared.dump() == before


async def test_a_batch_with_very_many_violations_still_gets_a_clear_answer(
    prepared: Service,
) -> None:
    keys = [f"\U0001f511/{i}" for i in range(1000)]
    request = secrets.SetSecretsRequest(
        parent=DEV, secrets=[secrets.Secret(key=key) for key in keys]
    )
    refusal = await refused(prepared.secrets.SetSecrets(request))
    assert refusal.reason == "INVALID_FIELDS"
    shown = list(refusal.fields.items())
    assert len(shown) > 20
    assert shown[0] == ("secrets[0].key", "must not have `/`, `{` or `}`")
    rest = 1000 - len(shown) + 1
    assert shown[-1][1].startswith(f"is the first of {rest} violations that do not fit")
    missing = secrets.DeleteSecretsRequest(
        parent=PROD, keys=[f"\U0001f511{i}" for i in range(1000)]
    )
    refusal = await refused(prepared.secrets.DeleteSecrets(missing))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.message.endswith("...")
