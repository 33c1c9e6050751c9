"""Each call says who it is from, unless that is not wanted."""

import getpass
import os
import socket

import pytest
from cli_kit import FakeServer, Run

from secretsync.v1.secret_sync_service_pb2 import SyncRun


def test_user_and_machine_by_default(server: FakeServer, run: Run) -> None:
    assert run("project", "list").code == 0
    assert server.requesters == [f"{getpass.getuser()}@{socket.gethostname()}"]


def test_what_cannot_be_sent_is_replaced(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "zo\u00eb")
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 200)
    assert run("project", "list").code == 0
    assert server.requesters == ["zo?@" + "h" * 124]


def test_a_user_without_a_name(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise OSError("no username set in the environment")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert run("project", "list").code == 0
    assert server.requesters == [f"uid-{os.getuid()}@{socket.gethostname()}"]


@pytest.mark.parametrize(("declared", "sent"), [("nightly job", "nightly job"), ("", None)])
def test_the_variable_decides(
    server: FakeServer,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    declared: str,
    sent: str | None,
) -> None:
    monkeypatch.setenv("SECRETSYNC_REQUESTER", declared)
    assert run("project", "list").code == 0
    assert server.requesters == [sent]


@pytest.mark.parametrize("declared", ["x" * 129, "zo\u00eb", "a\nb"])
def test_a_bad_variable_is_an_error_before_any_call(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    monkeypatch.setenv("SECRETSYNC_REQUESTER", declared)
    result = run("project", "list")
    assert result.code == 2
    assert "SECRETSYNC_REQUESTER must be at most 128 printable ASCII characters" in result.err
    assert server.requests == []


def test_get_shows_it(server: FakeServer, run: Run) -> None:
    name = "projects/shop/secretSyncs/dev/runs/r1"
    server.replies["GetSyncRun"] = SyncRun(name=name, requester="ann@laptop", approver="bob@desk")
    lines = run("run", "get", "dev/r1").out.splitlines()
    assert "Requester" in {line.split()[0] for line in lines if line.endswith("ann@laptop")}
    assert "Approver" in {line.split()[0] for line in lines if line.endswith("bob@desk")}
