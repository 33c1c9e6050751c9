"""What goes wrong is told in one clear block, and has an exit code."""

import json
import os
import socket
import subprocess
import sys
import threading

import grpc
import pytest
from cli_kit import SCRIPT, Failure, FakeServer, Run
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, ErrorInfo, RetryInfo

from secretsync.cli.errors import CliError
from secretsync.cli.framework import State
from secretsync.cli.main import main
from secretsync.cli.names import child_name, destination_name, project_name, run_name
from secretsync.v1.project_service_pb2 import ListProjectsResponse, Project
from secretsync.v1.secret_service_pb2 import Secret


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 2),
        (grpc.StatusCode.NOT_FOUND, 3),
        (grpc.StatusCode.ALREADY_EXISTS, 4),
        (grpc.StatusCode.ABORTED, 4),
        (grpc.StatusCode.FAILED_PRECONDITION, 4),
        (grpc.StatusCode.UNAUTHENTICATED, 5),
        (grpc.StatusCode.PERMISSION_DENIED, 5),
        (grpc.StatusCode.UNAVAILABLE, 6),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 7),
        (grpc.StatusCode.INTERNAL, 1),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 1),
        (grpc.StatusCode.UNIMPLEMENTED, 1),
    ],
)
def test_exit_codes_follow_the_status(
    server: FakeServer, run: Run, status: grpc.StatusCode, code: int
) -> None:
    server.replies["GetProject"] = Failure(status, "because")
    result = run("project", "get")
    assert result.code == code
    assert result.out == ""
    assert result.err.startswith("secretsync: error: ")


VIOLATIONS = Failure(
    grpc.StatusCode.INVALID_ARGUMENT,
    "2 fields are invalid",
    [
        BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field="project_id", description="use a-z, 0-9 and -"),
                BadRequest.FieldViolation(field="project.description", description="too long"),
            ]
        ),
        ErrorInfo(domain="secretsync", reason="INVALID_FIELDS"),
        DebugInfo(detail="never shown"),
    ],
)


def test_every_violated_field_is_shown(server: FakeServer, run: Run) -> None:
    server.replies["CreateProject"] = VIOLATIONS
    result = run("project", "create", "Web")
    assert result.code == 2
    assert result.err == (
        "secretsync: error: 2 fields are invalid\n"
        "  project_id: use a-z, 0-9 and -\n"
        "  project.description: too long\n"
        "reason: INVALID_FIELDS\n"
    )


def test_violations_that_the_message_repeats_are_shown_once(server: FakeServer, run: Run) -> None:
    violation = BadRequest.FieldViolation(field="option_list", description="must be one of a, b")
    server.replies["GetProject"] = Failure(
        grpc.StatusCode.INVALID_ARGUMENT,
        "invalid request: option_list: must be one of a, b",
        [BadRequest(field_violations=[violation])],
    )
    assert run("project", "get").err == (
        "secretsync: error: invalid request\n  option_list: must be one of a, b\n"
    )


def test_errors_as_json(server: FakeServer, run: Run) -> None:
    server.replies["CreateProject"] = VIOLATIONS
    result = run("project", "create", "Web", "--json")
    assert result.out == ""
    assert json.loads(result.err) == {
        "error": {
            "exitCode": 2,
            "message": "2 fields are invalid",
            "status": "INVALID_ARGUMENT",
            "reason": "INVALID_FIELDS",
            "violations": [
                {"field": "project_id", "description": "use a-z, 0-9 and -"},
                {"field": "project.description", "description": "too long"},
            ],
        }
    }


BUSY = Failure(
    grpc.StatusCode.UNAVAILABLE,
    "Octopus asks for fewer calls",
    [
        ErrorInfo(reason="RATE_LIMITED", metadata={"correlation_id": "c1"}),
        RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
    ],
)


def test_reason_metadata_and_retry_are_shown(server: FakeServer, run: Run) -> None:
    server.replies["GetProject"] = BUSY
    result = run("project", "get")
    assert result.code == 6
    assert result.err == (
        "secretsync: error: Octopus asks for fewer calls\n"
        "reason: RATE_LIMITED\n"
        "correlation id: c1\n"
        "retry after: 2.5 s\n"
    )
    shown = json.loads(run("--json", "project", "get").err)["error"]
    assert shown["metadata"] == {"correlation_id": "c1"}
    assert shown["retryAfterSeconds"] == 2.5


def test_control_characters_of_a_server_do_not_reach_the_terminal(
    server: FakeServer, run: Run
) -> None:
    server.replies["GetProject"] = Failure(grpc.StatusCode.NOT_FOUND, "no\x1b[2J\nproject")
    assert run("project", "get").err == "secretsync: error: no\\x1b[2J\\nproject\n"


def test_no_server(run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        result = run("project", "list", "--address", address)
        assert result.code == 6
        assert f"no secretsync server at {address}\n" in result.err
        assert "start one with `secretsync serve`, or set --address" in result.err
        shown = json.loads(run("project", "list", "--address", address, "--json").err)
    assert shown["error"]["status"] == "UNAVAILABLE"
    assert "secretsync serve" in shown["error"]["hint"]


def test_a_server_that_does_not_answer(server: FakeServer, run: Run) -> None:
    released = threading.Event()

    def wait(_: object) -> ListProjectsResponse:
        released.wait(30)
        return ListProjectsResponse()

    server.replies["ListProjects"] = wait
    result = run("project", "list", "--timeout", "0.2")
    released.set()
    assert result.code == 7
    assert f"no answer from {server.address} within 0.2 s" in result.err


def test_details_that_disagree_with_the_status_are_left_out(run: Run) -> None:
    def handle(_: bytes, context: grpc.ServicerContext) -> bytes:
        # A google.rpc.Status of another code than the call's.
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x05\x12\x01x"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "not here")

    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    strange = grpc.server(ThreadPoolExecutor(1))
    strange.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "secretsync.v1.ProjectService",
                {"GetProject": grpc.unary_unary_rpc_method_handler(handle)},
            ),
        )
    )
    port = strange.add_insecure_port("127.0.0.1:0")
    strange.start()
    result = run("project", "get", "--address", f"localhost:{port}")
    strange.stop(None).wait()
    assert result.code == 3
    assert result.err == "secretsync: error: not here\n"


@pytest.mark.parametrize(
    "address", ["nonsense", ":1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:65536"]
)
def test_addresses_that_are_none(run: Run, address: str) -> None:
    result = run("project", "list", "--address", address)
    assert result.code == 2
    assert "must be HOST:PORT" in result.err


@pytest.mark.parametrize("address", ["octopus.example:8470", "192.0.2.1:8470", "[2001:db8::1]:1"])
def test_secrets_do_not_leave_the_machine_unencrypted(run: Run, address: str) -> None:
    result = run("project", "list", "--address", address)
    assert result.code == 2
    assert "not an address of this machine" in result.err
    assert "not encrypted" in result.err


@pytest.mark.parametrize(
    "words",
    [
        ["project", "list", "--nope"],
        ["project", "nope"],
        ["nope"],
        ["project", "create"],
        ["project", "list", "--limit", "0"],
        ["project", "list", "--timeout", "0"],
    ],
)
def test_wrong_usage(server: FakeServer, run: Run, words: list[str]) -> None:
    result = run(*words)
    assert result.code == 2
    assert result.err.startswith("secretsync: error: ")
    assert "--help` shows what is accepted" in result.err
    shown = json.loads(run(*words, "--json").err)["error"]
    assert shown["exitCode"] == 2
    assert not server.requests


@pytest.mark.parametrize("words", [[], ["project"], ["sync"]])
def test_a_group_without_a_command_shows_its_help(run: Run, words: list[str]) -> None:
    result = run(*words)
    assert result.code == 2
    assert "Commands:" in result.err


def test_a_project_must_be_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETSYNC_PROJECT")
    result = run("environment", "list")
    assert result.code == 2
    assert "SECRETSYNC_PROJECT" in result.err


SHOP = State(project="shop")


def test_names() -> None:
    assert project_name(SHOP) == "projects/shop"
    assert project_name(SHOP, "x") == "projects/x"
    assert project_name(State(project="projects/x")) == "projects/x"
    assert child_name(SHOP, "environments", "dev") == "projects/shop/environments/dev"
    assert child_name(State(), "connections", "projects/a/connections/b") == (
        "projects/a/connections/b"
    )
    assert destination_name("destinations/x") == destination_name("x") == "destinations/x"
    assert run_name(SHOP, "dev/r") == (
        "projects/shop/secretSyncs/dev",
        "projects/shop/secretSyncs/dev/runs/r",
    )


@pytest.mark.parametrize("name", ["", "a/b/c", "projects/", "projects/a/environments", "/dev"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(CliError, match="is no name: write its short slug"):
        child_name(SHOP, "environments", name)
    with pytest.raises(CliError, match="is no name"):
        run_name(SHOP, "a/b/c")


def test_ctrl_c_at_a_prompt(run: Run) -> None:
    # An empty keyboard stands for the end of input, which click treats alike.
    result = run("project", "delete", "web", "--force", typed="")
    assert result.code == 130
    assert result.err.endswith("secretsync: error: interrupted\n")


def test_a_reader_that_goes_away_ends_the_command_quietly(server: FakeServer) -> None:
    server.replies["ListProjects"] = ListProjectsResponse(
        projects=[Project(name=f"projects/p{number}") for number in range(20_000)]
    )
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [SCRIPT, "--address", server.address, "project", "list", "--json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (1, b"")


def test_a_reader_that_goes_away_before_the_last_words(
    server: FakeServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    del run  # it only sets the address
    reader, writer = os.pipe()
    os.close(reader)
    # The value stays in the buffer until the command is done.
    server.replies["GetSecret"] = Secret(key="KEY", value="v", value_included=True)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["secret", "get", "KEY", "-e", "dev", "--reveal"]) == 1
        monkeypatch.undo()
