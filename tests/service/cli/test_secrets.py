"""`secretsync secret set`, `get`, `list` and `delete`."""

import json
from pathlib import Path

import grpc
import pytest
from cli_kit import SECRET, Failure, FakeServer, Run
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.secret_service_pb2 import (
    DeleteSecretsRequest,
    GetSecretRequest,
    ListSecretsRequest,
    ListSecretsResponse,
    Secret,
    SetSecretsRequest,
    SetSecretsResponse,
)

NOT_THERE = Failure(grpc.StatusCode.NOT_FOUND, "there is no such secret")
DEV = "projects/shop/environments/dev"


@pytest.fixture(autouse=True)
def _new(server: FakeServer) -> None:
    server.replies["GetSecret"] = NOT_THERE
    server.replies["SetSecrets"] = SetSecretsResponse(
        secrets=[Secret(key="KEY", path="/")], created_count=1
    )


def test_the_value_comes_from_a_file_exactly(server: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_bytes(f"\ufeff{SECRET}\r\n two \n".encode())
    result = run("secret", "set", "KEY", "-e", "dev", "--file", str(file), "--request-id", "r")
    assert (result.code, result.out) == (0, "Created KEY in dev:/.\n")
    assert "ends with a line break" in result.err
    assert server.only("SetSecrets", SetSecretsRequest) == SetSecretsRequest(
        parent=DEV,
        path="/",
        secrets=[Secret(key="KEY", value=f"\ufeff{SECRET}\r\n two \n")],
        request_id="r",
    )


@pytest.mark.parametrize("where", [["-"], ["--file", "-"], []])
def test_the_value_comes_from_stdin(server: FakeServer, run: Run, where: list[str]) -> None:
    result = run("secret", "set", "KEY", "-e", "dev", *where, stdin=SECRET.encode())
    assert (result.code, result.err) == (0, "")
    assert server.only("SetSecrets", SetSecretsRequest).secrets[0].value == SECRET


def test_a_value_is_no_argument(server: FakeServer, run: Run) -> None:
    for words in ([SECRET], ["-", SECRET], [SECRET, "more"]):
        result = run("secret", "set", "KEY", *words, "-e", "dev")
        assert result.code == 2
        assert "cannot be an argument" in result.err
        assert "--file" in result.err
    assert not server.requests


def test_only_one_source_of_the_value(server: FakeServer, run: Run) -> None:
    result = run("secret", "set", "KEY", "-", "--empty", "-e", "dev")
    assert result.code == 2
    assert "give one of" in result.err
    assert not server.requests


def test_a_closed_stdin_is_not_the_empty_value(server: FakeServer, run: Run) -> None:
    result = run("secret", "set", "KEY", "-e", "dev")
    assert result.code == 2
    assert "--empty" in result.err
    assert not server.requests
    assert run("secret", "set", "KEY", "-e", "dev", "--empty").code == 0
    assert server.only("SetSecrets", SetSecretsRequest).secrets[0].value == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"\xff" + SECRET.encode(), "not UTF-8 (at byte 0)"), (b"x" * 65537, "more than 65536")],
)
def test_values_that_cannot_be(server: FakeServer, run: Run, content: bytes, problem: str) -> None:
    result = run("secret", "set", "KEY", "-", "-e", "dev", stdin=content)
    assert result.code == 2
    assert problem in result.err
    assert not server.requests


def test_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    result = run("secret", "set", "KEY", "-e", "dev", "--file", str(tmp_path / "none"))
    assert result.code == 2
    assert "No such file" in result.err


def test_the_comment_is_sent_only_if_it_is_given(server: FakeServer, run: Run) -> None:
    server.replies["SetSecrets"] = SetSecretsResponse(updated_count=1, runs=["r/1"])
    result = run("secret", "set", "KEY", "-e", "dev", "--path", "/api", stdin=b"v")
    assert result.out == "Updated KEY in dev:/api.\nQueued r/1.\n"
    assert run("secret", "set", "KEY", "-e", "dev", "--comment", "", stdin=b"v").code == 0
    assert server.methods == ["SetSecrets", "SetSecrets"]
    first, second = (request.secrets[0] for request in server.all("SetSecrets", SetSecretsRequest))
    assert not first.HasField("comment")
    assert second.HasField("comment")


def test_a_value_that_was_there_already(server: FakeServer, run: Run) -> None:
    server.replies["SetSecrets"] = SetSecretsResponse()
    assert run("secret", "set", "KEY", "-e", "dev", stdin=b"v").out.startswith("Unchanged: KEY")


def test_set_as_json_and_as_a_dry_run(server: FakeServer, run: Run) -> None:
    result = run("secret", "set", "KEY", "-e", "dev", "--json", stdin=SECRET.encode())
    answer = json.loads(result.out)
    assert answer["createdCount"] == 1
    assert "value" not in answer["secrets"][0]
    result = run("secret", "set", "KEY", "-e", "dev", "--dry-run", stdin=b"v")
    assert (result.code, result.out) == (0, "")
    assert server.all("SetSecrets", SetSecretsRequest)[-1].validate_only


def test_get_shows_no_value_by_default(server: FakeServer, run: Run) -> None:
    server.replies["GetSecret"] = Secret(
        key="KEY", path="/", version=3, update_time=Timestamp(seconds=1)
    )
    result = run("secret", "get", "KEY", "-e", "dev")
    assert "Version  3" in result.out
    assert not server.only("GetSecret", GetSecretRequest).include_value
    assert "value" not in json.loads(run("secret", "get", "KEY", "-e", "dev", "--json").out)


@pytest.mark.parametrize(
    ("flag", "terminal", "end"),
    [("--reveal", False, ""), ("--reveal", True, "\n"), ("--raw", False, ""), ("--raw", True, "")],
)
def test_reveal_prints_exactly_the_value(
    server: FakeServer, run: Run, flag: str, *, terminal: bool, end: str
) -> None:
    value = f"{SECRET}\r\n\x00last"
    server.replies["GetSecret"] = Secret(key="KEY", value=value, value_included=True)
    result = run("secret", "get", "KEY", "-e", "dev", flag, terminal=terminal, reveal=True)
    assert result.stdout == f"{value}{end}".encode()
    assert server.only("GetSecret", GetSecretRequest).include_value


def test_reveal_as_json(server: FakeServer, run: Run) -> None:
    server.replies["GetSecret"] = Secret(key="KEY", value="", value_included=True)
    result = run("secret", "get", "KEY", "-e", "dev", "--reveal", "--json")
    assert json.loads(result.out)["value"] == ""


def test_list(server: FakeServer, run: Run) -> None:
    server.replies["ListSecrets"] = ListSecretsResponse(
        secrets=[Secret(path="/api", key="A", version=1, comment="x\x1b[2Jy\u202e\nz")]
    )
    result = run("secret", "list", "-e", "dev", "--path", "/api", "-r")
    line = result.out.splitlines()[1]
    assert line.split() == ["/api", "A", "1", "-", r"x\x1b[2Jy\u202e\nz"]
    assert server.only("ListSecrets", ListSecretsRequest) == ListSecretsRequest(
        parent=DEV, path="/api", recursive=True, page_size=1000
    )
    listed = json.loads(run("secret", "list", "-e", "dev", "--json").out)["secrets"]
    assert listed[0]["key"] == "A"
    assert "value" not in listed[0]


def test_a_list_with_values_is_for_programs(server: FakeServer, run: Run) -> None:
    server.replies["ListSecrets"] = ListSecretsResponse(
        secrets=[Secret(path="/", key="A", value=SECRET, value_included=True)]
    )
    refused = run("secret", "list", "-e", "dev", "--reveal")
    assert (refused.code, server.requests) == (2, [])
    assert "--json" in refused.err
    listed = json.loads(run("secret", "list", "-e", "dev", "--json", "--reveal").out)["secrets"]
    assert listed[0]["value"] == SECRET
    assert server.only("ListSecrets", ListSecretsRequest).include_values


def test_a_long_key_is_never_cut(server: FakeServer, run: Run) -> None:
    key = "K" * 255
    server.replies["ListSecrets"] = ListSecretsResponse(secrets=[Secret(path="/", key=key)])
    assert f"/     {key}  0        -" in run("secret", "list", "-e", "dev").out
    shown = run("secret", "list", "-e", "dev", terminal=True).out
    assert shown.count("K") == 255 + len("KEY") - len("EY")


def test_delete(server: FakeServer, run: Run) -> None:
    result = run("secret", "delete", "A", "B", "-e", "dev", "--path", "/api", "--allow-missing")
    assert result.out == "Deleted A, B in dev:/api.\n"
    assert server.only("DeleteSecrets", DeleteSecretsRequest) == DeleteSecretsRequest(
        parent=DEV, path="/api", keys=["A", "B"], allow_missing=True
    )


def test_the_environment_may_come_from_the_environment(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("secret", "list").code == 2
    monkeypatch.setenv("SECRETSYNC_ENVIRONMENT", "prod")
    assert run("secret", "list").code == 0
    request = server.only("ListSecrets", ListSecretsRequest)
    assert request.parent == "projects/shop/environments/prod"
