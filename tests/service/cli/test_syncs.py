"""`secretsync sync`: set up, change, delete."""

import json
from pathlib import Path

import grpc
import pytest
from cli_kit import OCTOPUS, SYNCED, Failure, FakeServer, Run, run_changed, struct
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.secret_sync_service_pb2 import (
    INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE,
    RUN_STATE_FAILED,
    RUN_STATE_PENDING,
    RUN_STATE_SUCCEEDED,
    SYNC_CONDITION_AUTH_FAILED,
    CreateSecretSyncRequest,
    DeleteSecretSyncRequest,
    ListSecretSyncsResponse,
    RunStatus,
    SecretSource,
    SecretSync,
    SyncOptions,
    SyncRun,
    UpdateSecretSyncRequest,
)

NAME = "projects/shop/secretSyncs/dev"
RUN = f"{NAME}/runs/r1"
CREATE = ["sync", "create", "dev", "--connection", "octopus", "-e", "dev"]
PRESENT = SecretSync(
    name=NAME,
    destination="destinations/octopus-deploy",
    connection="projects/shop/connections/octopus",
    source=SecretSource(environment="projects/shop/environments/dev", secret_path="/"),
    destination_config=struct(
        {
            "spaceId": "Spaces-1",
            "projectId": "Projects-1",
            "scopeValues": {"environments": ["Environments-1"], "roles": ["web"]},
        }
    ),
    sync_options=SyncOptions(key_schema="{{secretKey}}"),
    is_enabled=True,
    is_auto_sync_enabled=True,
    etag="e1",
    sync_status=RunStatus(state=RUN_STATE_PENDING, last_run=RUN),
    condition=SYNC_CONDITION_AUTH_FAILED,
    hint="The destination refuses the credentials.",
    next_actions=["ConnectionService.UpdateConnection", "SecretSyncService.SyncSecrets"],
)


@pytest.fixture(autouse=True)
def _octopus(server: FakeServer) -> None:
    server.replies["GetConnection"] = Connection(destination="destinations/octopus-deploy")
    server.replies["GetDestination"] = OCTOPUS
    server.replies["GetSecretSync"] = PRESENT
    server.replies["CreateSecretSync"] = PRESENT
    server.replies["UpdateSecretSync"] = PRESENT


def created(server: FakeServer) -> SecretSync:
    request: CreateSecretSyncRequest = server.only("CreateSecretSync", CreateSecretSyncRequest)
    return request.secret_sync


def test_create_sends_all_that_was_given(server: FakeServer, run: Run) -> None:
    result = run(
        *CREATE, "--secret-path", "/api", "--recursive", "--key-schema", "X_{{secretKey}}",
        "--initial-sync-behavior", "import-prioritize-source", "--disable-secret-deletion",
        "--disabled", "--no-auto-sync", "--description", "d", "--request-id", "r",
        "--config", "spaceId=Spaces-1", "--config", "projectId=Projects=1",
        "--config", "scopeValues.environments=Environments-1",
        "--config", "scopeValues.roles=web", "--config", "scopeValues.roles=db",
        "--config", "limit=5", "--config", "ratio=0.5", "--config", "strict=true",
    )  # fmt: skip
    assert (result.code, result.out) == (0, f"Created {NAME}.\n")
    assert server.only("CreateSecretSync", CreateSecretSyncRequest) == CreateSecretSyncRequest(
        parent="projects/shop",
        secret_sync_id="dev",
        secret_sync=SecretSync(
            description="d",
            connection="projects/shop/connections/octopus",
            source=SecretSource(
                environment="projects/shop/environments/dev", secret_path="/api", recursive=True
            ),
            destination_config=struct(
                {
                    "spaceId": "Spaces-1",
                    "projectId": "Projects=1",
                    "scopeValues": {
                        "environments": ["Environments-1"],
                        "roles": ["web", "db"],
                    },
                    "limit": 5,
                    "ratio": 0.5,
                    "strict": True,
                }
            ),
            sync_options=SyncOptions(
                key_schema="X_{{secretKey}}",
                initial_sync_behavior=INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE,
                disable_secret_deletion=True,
            ),
            is_enabled=False,
            is_auto_sync_enabled=False,
        ),
        request_id="r",
    )


def test_create_sends_nothing_that_was_not_given(server: FakeServer, run: Run) -> None:
    assert run(*CREATE).code == 0
    sent = created(server)
    assert not sent.HasField("is_enabled")
    assert not sent.HasField("sync_options")
    assert sent.HasField("destination_config")
    assert server.methods == ["CreateSecretSync"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", '\ufeff{"spaceId": "S", "scopeValues": {"roles": ["a"]}}'),
        ("c.yaml", "spaceId: S\nscopeValues:\n  roles: [a]\n"),
    ],
)
def test_the_configuration_may_be_a_file(
    server: FakeServer, run: Run, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert run(*CREATE, "--config-file", str(file), "--config", "projectId=P").code == 0
    assert MessageToDict(created(server).destination_config) == {
        "spaceId": "S",
        "projectId": "P",
        "scopeValues": {"roles": ["a"]},
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["spaceId"], "--config takes name=value"),
        (["a..b=c"], "'a..b' is no field name"),
        (["spaceId=a", "spaceId=b"], "spaceId is given more than once"),
        (["spaceId=a", "spaceId.x=b"], "'spaceId' is no object"),
        (["limit=x"], "limit must be of type integer"),
        (["strict=maybe"], "strict must be of type boolean"),
        (["ratio=x"], "ratio must be of type number"),
        (["scopeValues=x"], "scopeValues must be of type object"),
    ],
)
def test_assignments_that_cannot_be(
    server: FakeServer, run: Run, words: list[str], problem: str
) -> None:
    result = run(*CREATE, *(part for word in words for part in ("--config", word)))
    assert result.code == 2
    assert problem in result.err
    assert "CreateSecretSync" not in server.methods


def test_fields_that_the_schema_does_not_know_are_left_to_the_server(
    server: FakeServer, run: Run
) -> None:
    words = ["--config", "new=1", "--config", "more=a", "--config", "more=b"]
    assert run(*CREATE, *words).code == 0
    sent = MessageToDict(created(server).destination_config)
    assert sent == {"new": "1", "more": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.json", "{"),
        ("c.json", "[]"),
        ("c.json", '{"a": NaN}'),
        ("c.yaml", "a: 2020-01-01"),
        ("c.yaml", "1: x"),
        ("c.yaml", "a: 'x"),
    ],
)
def test_files_that_hold_no_configuration(
    run: Run, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    result = run(*CREATE, "--config-file", str(file))
    assert result.code == 2
    assert "does not hold" in result.err


def test_create_waits_for_the_first_run(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = [
        SyncRun(name=RUN, state=RUN_STATE_PENDING),
        SyncRun(name=RUN, state=RUN_STATE_SUCCEEDED),
    ]
    server.streams["WatchSecretSyncs"] = [
        [SYNCED, run_changed(SyncRun(name=RUN, state=RUN_STATE_SUCCEEDED))]
    ]
    result = run(*CREATE, "--wait")
    assert result.code == 0
    assert result.out.startswith(f"Created {NAME}.\n")
    assert "succeeded" in result.out
    result = run(*CREATE, "--wait", "--json")
    shown = json.loads(result.out)
    assert (shown["secretSync"]["name"], shown["syncRun"]["state"]) == (
        NAME,
        "RUN_STATE_SUCCEEDED",
    )


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_create_fails_with_the_first_run(server: FakeServer, run: Run, words: list[str]) -> None:
    server.replies["GetSyncRun"] = SyncRun(name=RUN, state=RUN_STATE_FAILED, message="no such key")
    result = run(*CREATE, "--wait", *words)
    assert result.code == 1
    assert "the run r1 failed: no such key" in result.err


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_create_has_no_run_to_wait_for(server: FakeServer, run: Run, words: list[str]) -> None:
    server.replies["CreateSecretSync"] = SecretSync(name=NAME)
    result = run(*CREATE, "--wait", "--disabled", *words)
    assert result.code == 0
    assert NAME in result.out
    assert "No run was queued: the change needs none" in result.err
    assert server.methods == ["CreateSecretSync"]


def test_create_as_a_dry_run_waits_for_nothing(server: FakeServer, run: Run) -> None:
    assert run(*CREATE, "--wait", "--dry-run").code == 0
    assert server.only("CreateSecretSync", CreateSecretSyncRequest).validate_only
    assert server.methods == ["CreateSecretSync"]


def test_get(server: FakeServer, run: Run) -> None:
    shown = SecretSync()
    shown.CopyFrom(PRESENT)
    shown.sync_options.initial_sync_behavior = INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE
    shown.remove_status.CopyFrom(
        RunStatus(
            state=RUN_STATE_FAILED,
            last_run=f"{NAME}/runs/r0",
            message="no such project",
            finish_time=Timestamp(seconds=1_700_000_000),
        )
    )
    server.replies["GetSecretSync"] = shown
    out = run("sync", "get", "dev").out
    assert '  scopeValues    {"environments": ["Environments-1"], "roles": ["web"]}' in out
    assert "Condition        auth-failed" in out
    assert "Hint             The destination refuses the credentials." in out
    assert "Next             secretsync connection update octopus" in out
    assert "Next             secretsync sync run dev" in out
    assert "Last sync        pending, run r1" in out
    assert "Last import      -" in out
    assert "failed, run r0, 2023-11-14 22:13:20 (" in out
    assert "): no such project" in out
    assert "import-prioritize-source" in out
    assert json.loads(run("sync", "get", "dev", "--json").out)["isEnabled"] is True


def test_list(server: FakeServer, run: Run) -> None:
    server.replies["ListSecretSyncs"] = ListSecretSyncsResponse(secret_syncs=[PRESENT])
    assert run("sync", "list").out.splitlines()[1].split() == [
        "dev", "auth-failed", "dev:/", "octopus-deploy", "octopus", "yes", "yes", "-"
    ]  # fmt: skip
    assert json.loads(run("sync", "list", "--json").out)["secretSyncs"][0]["etag"] == "e1"


def test_update_has_an_exact_mask(server: FakeServer, run: Run) -> None:
    result = run(
        "sync", "update", "dev", "--secret-path", "/x", "--no-recursive", "--key-schema", "",
        "--enable-secret-deletion", "--enabled", "--auto-sync", "--connection", "c2",
        "-e", "prod", "--etag", "mine",
    )  # fmt: skip
    assert (result.code, result.out) == (0, f"Updated {NAME}.\n")
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert set(request.update_mask.paths) == {
        "connection",
        "source.environment",
        "source.secret_path",
        "source.recursive",
        "sync_options.key_schema",
        "sync_options.disable_secret_deletion",
        "is_enabled",
        "is_auto_sync_enabled",
    }
    sent = request.secret_sync
    assert (sent.name, sent.etag, sent.source.secret_path) == (NAME, "mine", "/x")
    assert sent.is_enabled
    assert sent.connection == "projects/shop/connections/c2"
    assert not sent.HasField("destination_config")
    assert server.methods == ["UpdateSecretSync"]


def test_update_ignores_the_environment_variable(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETSYNC_ENVIRONMENT", "prod")
    assert run("sync", "update", "dev", "--description", "d").code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert list(request.update_mask.paths) == ["description"]


def test_update_of_the_configuration_starts_from_the_present_one(
    server: FakeServer, run: Run
) -> None:
    result = run(
        "sync", "update", "dev", "--config", "projectId=Projects-2",
        "--config", "scopeValues.roles=db", "--unset-config", "scopeValues.environments",
    )  # fmt: skip
    assert result.code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert MessageToDict(request.secret_sync.destination_config) == {
        "spaceId": "Spaces-1",
        "projectId": "Projects-2",
        "scopeValues": {"roles": ["db"]},
    }
    assert list(request.update_mask.paths) == ["destination_config"]
    assert request.secret_sync.etag == "e1"


def test_update_with_a_file_replaces_the_configuration(server: FakeServer, run: Run) -> None:
    result = run("sync", "update", "dev", "--config-file", "-", stdin=b'{"spaceId": "S"}')
    assert result.code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert MessageToDict(request.secret_sync.destination_config) == {"spaceId": "S"}


@pytest.mark.parametrize("name", ["none", "spaceId.x", "scopeValues.none", "none.none"])
def test_update_cannot_take_out_what_is_not_there(server: FakeServer, run: Run, name: str) -> None:
    result = run("sync", "update", "dev", "--unset-config", name)
    assert result.code == 2
    assert f"no field {name!r}" in result.err
    assert "UpdateSecretSync" not in server.methods


def test_update_of_nothing_is_refused(server: FakeServer, run: Run) -> None:
    assert run("sync", "update", "dev").code == 2
    assert not server.requests


def test_update_waits(server: FakeServer, run: Run) -> None:
    server.replies["GetSyncRun"] = SyncRun(name=RUN, state=RUN_STATE_SUCCEEDED)
    result = run("sync", "update", "dev", "--enabled", "--wait")
    assert result.code == 0
    assert result.out.startswith(f"Updated {NAME}.\n")


def test_delete_asks_and_says_what_stays_where(server: FakeServer, run: Run) -> None:
    result = run("sync", "delete", "dev", typed="n\n")
    assert result.code == 130
    assert "leave what it wrote at octopus-deploy via octopus (projectId=Projects-1" in result.err
    assert "spaceId=Spaces-1)?" in result.err
    result = run("sync", "delete", "dev", "--remove-secrets", typed="y\n")
    assert result.code == 0
    assert "REMOVE what it wrote at octopus-deploy" in result.err
    request = server.only("DeleteSecretSync", DeleteSecretSyncRequest)
    assert (request.name, request.remove_secrets) == (NAME, True)


def test_delete_without_a_question(server: FakeServer, run: Run) -> None:
    assert run("sync", "delete", "dev").code == 2
    assert run("sync", "delete", "dev", "--dry-run").code == 0
    result = run("sync", "delete", "dev", "--yes", "--etag", "e")
    assert result.out == f"Deleted {NAME}.\n"
    first, second = server.all("DeleteSecretSync", DeleteSecretSyncRequest)
    assert first.validate_only
    assert second == DeleteSecretSyncRequest(name=NAME, etag="e")


def test_a_removal_that_fails_keeps_the_sync(server: FakeServer, run: Run) -> None:
    server.replies["DeleteSecretSync"] = Failure(
        grpc.StatusCode.FAILED_PRECONDITION, "the removal failed; the sync is kept"
    )
    result = run("sync", "delete", "dev", "--remove-secrets", "--yes")
    assert result.code == 4
    assert "the sync is kept" in result.err


def test_what_a_destination_calls_its_fields_does_not_act_on_a_terminal(
    server: FakeServer, run: Run
) -> None:
    server.replies["GetSecretSync"] = SecretSync(
        name=NAME, destination_config=struct({"a\x1b[2Jb\u202e\nc": "x\x1b[2Jy"})
    )
    shown = run("sync", "get", "dev").out
    assert r"a\x1b[2Jb\u202e\nc" in shown
    assert r"x\x1b[2Jy" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
