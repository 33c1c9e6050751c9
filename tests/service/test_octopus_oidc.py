"""Connections that authenticate with OpenID Connect, through the whole service."""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from refusals import invalid_fields, refused
from service_kit import CONNECTION, Service, struct

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy import authentication
from secretsync_octopus_deploy.sandbox.process import Sandbox

CLAIMS = base64.urlsafe_b64encode(b'{"sub":"service-test"}').decode().rstrip("=")
TOKEN = f"e30.{CLAIMS}.c2lnbmF0dXJlIG9mIG5vYm9keQ"
PLACE = {"spaceId": "Spaces-1", "scope": "project", "projectId": "Projects-2"}
DISCOVERY = ("GET", "/.well-known/openid-configuration", 200)
EXCHANGE = ("POST", "/token/v1", 200)
VARIABLES = "/api/Spaces-1/projects/Projects-2/variables"


@pytest.fixture
def oidc(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox that exchanges `TOKEN`, and that the operator allows."""
    monkeypatch.setenv("SECRETSYNC_OCTOPUS_TOKEN_INSTANCES", sandbox.base_url)
    sandbox.accept_subject_token(TOKEN)
    yield sandbox
    sandbox.forget_subject_tokens()
    sandbox.expire_tokens()


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that the operator allows, with a token in it."""
    path = tmp_path / "tokens"
    path.mkdir()
    (path / "octopus").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("SECRETSYNC_OCTOPUS_TOKEN_DIRECTORIES", str(path))
    return path


def credentials(sandbox: Sandbox, **fields: object) -> dict[str, Any]:
    return {
        "instanceUrl": sandbox.base_url,
        "serviceAccountId": sandbox.service_account_id,
        **{name: str(value) for name, value in fields.items()},
    }


async def connect(service: Service, given: dict[str, Any]) -> connection_pb.Connection:
    return await service.connect(destination="octopus-deploy", method="oidc", credentials=given)


def requests(run: pb.SyncRun) -> list[tuple[str, str, int]]:
    return [(each.method, each.path, each.status_code) for each in run.http_requests]


async def test_a_sync_over_openid_connect(service: Service, oidc: Sandbox, directory: Path) -> None:
    await service.add_project()
    created = await connect(service, credentials(oidc, tokenFile=directory / "octopus"))
    assert created.method == "oidc"
    assert MessageToDict(created.public_credentials) == {
        **credentials(oidc, tokenFile=directory / "octopus"),
        "allowInsecureHttp": False,
        "tokenCommand": None,
    }
    await service.put({"DB.Password": "hunter2"})
    await service.add_sync(destination_config=struct(PLACE), is_auto_sync_enabled=False)

    oidc.expire_tokens()
    first = await service.trigger()
    again = await service.trigger()

    assert first.state == pb.RUN_STATE_SUCCEEDED, first.message
    refused_read, read = ("GET", VARIABLES, 401), ("GET", VARIABLES, 200)
    expected = [refused_read, DISCOVERY, EXCHANGE, read, ("PUT", VARIABLES, 200), read]
    assert requests(first) == expected
    assert requests(again) == [read]
    assert again.counts == pb.KeyCounts(unchanged=1)
    (shared,) = authentication._tokens[asyncio.get_running_loop()].values()
    assert shared.token is not None
    issued = shared.token.value.reveal()
    stored = f"{service.dump()} {first} {again} {created}"
    assert "/token/v1" in stored
    assert all(text not in stored for text in (TOKEN, CLAIMS, issued))


async def test_a_token_that_is_refused_is_told_in_the_run(
    service: Service, oidc: Sandbox, directory: Path
) -> None:
    await service.add_project()
    await connect(service, credentials(oidc, tokenFile=directory / "octopus"))
    await service.add_sync(destination_config=struct(PLACE), is_auto_sync_enabled=False)
    oidc.expire_tokens()
    oidc.forget_subject_tokens()

    run = await service.trigger()

    assert run.state == pb.RUN_STATE_FAILED
    assert "The subject token is not valid for this service account." in run.message
    assert run.attempt == 1
    validation = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    refusal = await refused(service.connections.ValidateConnection(validation))
    assert "refused to exchange the token" in refusal.message
    assert TOKEN not in f"{run} {refusal}"


async def test_what_the_operator_does_not_allow_is_no_credential(
    service: Service, oidc: Sandbox, directory: Path, tmp_path: Path
) -> None:
    await service.add_project()
    (tmp_path / "elsewhere").write_text(TOKEN)

    for field, path, said in (
        ("tokenFile", tmp_path / "elsewhere", "SECRETSYNC_OCTOPUS_TOKEN_DIRECTORIES"),
        ("tokenFile", directory / ".." / "elsewhere", "without . and .."),
        ("tokenCommand", "/bin/cat", "SECRETSYNC_OCTOPUS_TOKEN_COMMANDS"),
    ):
        refusal = await refused(connect(service, credentials(oidc, **{field: path})))
        assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.fields.keys() == {f"connection.credentials.{field}"}
        assert said in refusal.fields[f"connection.credentials.{field}"]
    other = credentials(oidc, tokenFile=directory / "octopus", instanceUrl="https://x.example.com")
    refusal = await refused(connect(service, other))
    assert refusal.fields.keys() == {"connection.credentials.instanceUrl"}
    assert oidc.requests() == []


async def test_all_that_is_wrong_is_told_by_its_name_on_the_wire(
    service: Service, oidc: Sandbox
) -> None:
    await service.add_project()

    fields = await invalid_fields(connect(service, {**credentials(oidc), "serviceAccountId": "x"}))

    assert fields.keys() == {
        "connection.credentials.serviceAccountId",
        "connection.credentials.tokenCommand",
    }


async def test_a_connection_changes_its_method(
    octopus: Service, oidc: Sandbox, directory: Path
) -> None:
    changed = await octopus.connections.UpdateConnection(
        connection_pb.UpdateConnectionRequest(
            connection=connection_pb.Connection(
                name=CONNECTION,
                method="oidc",
                credentials=struct(credentials(oidc, tokenFile=directory / "octopus")),
            ),
            update_mask=FieldMask(paths=["method", "credentials"]),
        )
    )
    assert changed.method == "oidc"
    (directory / "octopus").unlink()
    refusal = await refused(
        octopus.connections.ValidateConnection(
            connection_pb.ValidateConnectionRequest(name=CONNECTION)
        )
    )
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "tokenFile does not exist" in refusal.message


async def test_the_command_line_makes_one(
    service: Service, oidc: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "get-token"
    command.write_text(f"#!/bin/sh\necho {TOKEN}\n")
    command.chmod(0o700)
    monkeypatch.setenv("SECRETSYNC_OCTOPUS_TOKEN_COMMANDS", str(command))
    await service.add_project()
    given = credentials(oidc, tokenCommand=command)
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]

    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("secretsync")),
        *("--address", service.server.address, "--project", "shop", "--json"),
        *("connection", "create", "main", "--destination", "octopus-deploy"),
        *("--method", "oidc", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()

    assert process.returncode == 0
    assert json.loads(printed)["method"] == "oidc"
    assert TOKEN.encode() not in printed
    assert [one.path for one in oidc.requests()][:2] == [DISCOVERY[1], EXCHANGE[1]]
