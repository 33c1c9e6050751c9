"""The real process: its command line, signals, connections, and the helper that runs it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from click.testing import CliRunner

from secretsync_octopus_deploy.sandbox import process as process_module
from secretsync_octopus_deploy.sandbox.main import main
from secretsync_octopus_deploy.sandbox.process import (
    LoggedRequest,
    Sandbox,
    SandboxError,
    start_sandbox,
)
from secretsync_octopus_deploy.sandbox.server import bind, parse_listen, url_of

SET = "variableset-Projects-2"
PATH = f"/api/Spaces-1/variables/{SET}"
COMMAND = [sys.executable, "-m", "secretsync_octopus_deploy.sandbox.main"]
KEY = "API-COMMANDLINE1"


@pytest.fixture
def user(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"X-Octopus-ApiKey": sandbox.api_key}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=30) as client:
        yield client


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SECRETSYNC_SANDBOX_API_KEY": KEY},
    )


def wait_for_request(client: httpx.Client, path: str) -> None:
    """Return when the sandbox has seen a request for `path`."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path in {entry["path"] for entry in client.get("/sandbox/requests").json()}:
            return
    raise AssertionError(path)


def ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    start = "Octopus sandbox listening on http://127.0.0.1:"
    assert line.startswith(start)
    assert int(line.removeprefix(start)) > 0
    return line.removeprefix("Octopus sandbox listening on ").strip()


def test_the_helper_reads_writes_and_inspects(sandbox: Sandbox) -> None:
    sandbox.put_variables(SET, [])
    before = sandbox.variables(SET)
    sandbox.clear_requests()
    row = {"Name": "S", "Value": "hunter2", "Type": "Sensitive"}
    answer = sandbox.put_variables(SET, [row], version=before["Version"])
    assert answer["Version"] == before["Version"] + 1
    assert answer["Variables"][0]["Value"] is None
    (stored,) = sandbox.inspect(SET)["Variables"]
    assert (stored["Name"], stored["Value"]) == ("S", "hunter2")
    assert sandbox.requests() == [LoggedRequest("PUT", PATH, "", 200)]
    sandbox.clear_requests()
    assert sandbox.requests() == []


def test_the_helper_passes_errors_on(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"PUT .*: 400 .*another user has made changes"):
        sandbox.put_variables(SET, [], version=-1)
    with pytest.raises(SandboxError, match=r"404 .*The resource 'nothing' was not found"):
        sandbox.inspect("nothing")


def test_the_helper_controls_the_sandbox(sandbox: Sandbox) -> None:
    sandbox.fault("status", method="GET", path="me$", skip=1, times=None, status=418)
    (rule,) = sandbox.faults()
    assert (rule["skip"], rule["times"], rule["fault"]["status"]) == (1, None, 418)
    sandbox.clear_faults()
    assert sandbox.faults() == []

    sandbox.freeze(SET)
    with pytest.raises(SandboxError, match="the set is frozen"):
        sandbox.put_variables(SET, [])
    sandbox.thaw(SET)
    sandbox.put_variables(SET, [])

    row = {"Name": "A", "Type": "String", "Scope": {"Role": ["absent"]}}
    sandbox.refuse_unknown_scope_ids()
    with pytest.raises(SandboxError, match="'absent' does not exist"):
        sandbox.put_variables(SET, [row])
    sandbox.refuse_unknown_scope_ids(refuse=False)
    sandbox.put_variables(SET, [row])

    names = [project["Name"] for project in sandbox.add_projects(2, prefix="P")]
    assert names == ["P 00001", "P 00002"]


def test_the_helpers_keys_work_as_named(sandbox: Sandbox) -> None:
    statuses = {}
    for name in ("api_key", "read_only_api_key", "expired_api_key"):
        headers = {"X-Octopus-ApiKey": getattr(sandbox, name)}
        with httpx.Client(base_url=sandbox.base_url, headers=headers) as client:
            body = sandbox.variables(SET)
            statuses[name] = (client.get(PATH).status_code, client.put(PATH, json=body).status_code)
    assert statuses == {
        "api_key": (200, 200),
        "read_only_api_key": (200, 403),
        "expired_api_key": (401, 401),
    }


def test_a_connection_is_cut_before_the_handling(sandbox: Sandbox, user: httpx.Client) -> None:
    before = sandbox.inspect(SET)
    sandbox.fault("cut_connection", method="PUT")
    with pytest.raises(httpx.RemoteProtocolError):
        user.put(PATH, json={"Version": before["Version"], "Variables": []})
    assert sandbox.inspect(SET) == before
    assert sandbox.requests()[-1] == LoggedRequest("PUT", PATH, "", None)
    assert user.get(PATH).status_code == 200


def test_a_connection_is_cut_after_the_handling(sandbox: Sandbox, user: httpx.Client) -> None:
    version = sandbox.inspect(SET)["Version"]
    sandbox.fault("cut_connection", method="PUT", after=True)
    row = {"Name": "Arrived", "Value": "v", "Type": "String"}
    with pytest.raises(httpx.RemoteProtocolError):
        user.put(PATH, json={"Version": version, "Variables": [row]})
    found = sandbox.inspect(SET)
    assert found["Version"] == version + 1
    assert [one["Name"] for one in found["Variables"]] == ["Arrived"]


def test_a_large_put_is_cut(sandbox: Sandbox, user: httpx.Client) -> None:
    version = sandbox.inspect(SET)["Version"]
    rows = [{"Name": f"N{number}", "Value": "v" * 500, "Type": "String"} for number in range(5000)]
    sandbox.fault("cut_connection", method="PUT")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
        user.put(PATH, json={"Version": version, "Variables": rows})
    assert sandbox.inspect(SET)["Version"] == version


def test_headers_come_late(sandbox: Sandbox, user: httpx.Client) -> None:
    sandbox.fault("delay", seconds=60, path="/me$")
    with pytest.raises(httpx.ReadTimeout):
        user.get("/api/users/me", timeout=0.2)
    assert user.get("/api/users/me").status_code == 200


def test_a_put_is_applied_although_its_answer_comes_too_late(
    sandbox: Sandbox, user: httpx.Client
) -> None:
    version = sandbox.inspect(SET)["Version"]
    sandbox.fault("delay", seconds=60, method="PUT", after=True)
    with pytest.raises(httpx.ReadTimeout):
        user.put(PATH, json={"Version": version, "Variables": []}, timeout=0.5)
    assert sandbox.inspect(SET)["Version"] == version + 1


def test_the_headers_of_a_slow_body_come_at_once(sandbox: Sandbox, user: httpx.Client) -> None:
    sandbox.fault("slow_body", seconds=60, path="/me$")
    with user.stream("GET", "/api/users/me", timeout=5) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) > 0
    whole = user.get("/api/users/me").text
    sandbox.fault("slow_body", seconds=0.1, pieces=3, path="/me$")
    assert user.get("/api/users/me").text == whole


def test_truncated_and_empty_bodies_are_whole_http_answers(
    sandbox: Sandbox, user: httpx.Client
) -> None:
    whole = user.get("/api/users/me").content
    sandbox.fault("truncated_json", path="/me$")
    assert user.get("/api/users/me").content == whole[: len(whole) // 2]
    sandbox.fault("empty_body", path="/me$")
    assert user.get("/api/users/me").content == b""
    sandbox.fault("status", path="/me$", status=204, body="empty")
    assert user.get("/api/users/me").status_code == 204
    sandbox.fault("redirect", path="/me$", location="http://127.0.0.1:1/x")
    assert user.get("/api/users/me").headers["location"] == "http://127.0.0.1:1/x"


def test_concurrent_editors_lose_no_update(sandbox: Sandbox, user: httpx.Client) -> None:
    sandbox.put_variables(SET, [])
    start = sandbox.inspect(SET)["Version"]

    def edit(name: str) -> None:
        for _ in range(200):
            found = user.get(PATH).json()
            found["Variables"].append({"Name": name, "Value": "v", "Type": "String"})
            if user.put(PATH, json=found).status_code == 200:
                return
        raise AssertionError(name)

    names = [f"N{number}" for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(edit, names))
    found = sandbox.inspect(SET)
    assert found["Version"] == start + 16
    assert sorted(row["Name"] for row in found["Variables"]) == sorted(names)


def test_twenty_thousand_rows_over_the_wire(sandbox: Sandbox) -> None:
    rows = [
        {"Name": f"K{number}", "Value": f"v{number}", "Type": "Sensitive"}
        for number in range(20_000)
    ]
    sandbox.put_variables(SET, rows)
    assert len(sandbox.variables(SET)["Variables"]) == 20_000
    assert [row["Value"] for row in sandbox.inspect(SET)["Variables"]] == [
        row["Value"] for row in rows
    ]
    sandbox.put_variables(SET, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(number: signal.Signals) -> None:
    process = run("--listen", "127.0.0.1:0", "--seed", "empty")
    with process:
        url = ready_url(process)
        headers = {"X-Octopus-ApiKey": KEY}
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            assert client.get("/api/Spaces-1/projects/all").json() == []
            rule = {"fault": {"kind": "delay", "seconds": 100}, "path": "/me$"}
            client.post("/sandbox/faults", json=rule)
            # One idle connection, and one whose request would take much longer.
            with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as slow:
                lines = ("GET /api/users/me HTTP/1.1", "Host: x", f"X-Octopus-ApiKey: {KEY}")
                slow.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
                wait_for_request(client, "/api/users/me")
                began = time.monotonic()
                process.send_signal(number)
                output, errors = process.communicate(timeout=10)
                took = time.monotonic() - began
    assert process.returncode == 0
    assert (output, errors) == ("", "")
    assert took < 5


def test_a_caller_that_leaves_in_the_middle_is_no_failure() -> None:
    process = run("--seed", "empty")
    with process:
        url = ready_url(process)
        with httpx.Client(base_url=url, headers={"X-Octopus-ApiKey": KEY}, timeout=30) as client:
            project = client.post("/sandbox/projects", json={"count": 1}).json()[0]
            path = f"/api/Spaces-1/variables/{project['VariableSetId']}"
            with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as leaving:
                lines = (f"PUT {path} HTTP/1.1", "Host: x", f"X-Octopus-ApiKey: {KEY}")
                head = "".join(f"{line}\r\n" for line in (*lines, "Content-Length: 1000", ""))
                leaving.sendall(head.encode() + b'{"Version":0')
                wait_for_request(client, path)
            assert client.get(path).json()["Version"] == 0
        process.terminate()
        output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_sandbox_of_its_own_ends_with_its_block() -> None:
    with start_sandbox(seed="empty") as sandbox:
        assert sandbox.process.poll() is None
        assert sandbox.api_key not in str(sandbox.process.args)
        set_id = sandbox.add_projects(1)[0]["VariableSetId"]
        assert sandbox.variables(set_id)["ScopeValues"]["Environments"] == []
    assert sandbox.process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", httpx.URL(sandbox.base_url).port or 0))


def test_a_sandbox_that_does_not_start_says_why() -> None:
    with pytest.raises(SandboxError, match=r"did not start: (.|\n)*'nonsense' is not one of"):
        start_sandbox(seed="nonsense").__enter__()


def test_a_sandbox_that_is_not_ready_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "READY_SECONDS", 0.0)
    with pytest.raises(SandboxError, match="did not start: no ready line"):
        start_sandbox().__enter__()


def test_a_process_that_does_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "STOP_SECONDS", 0.2)
    with start_sandbox(seed="empty") as sandbox:
        # A stopped process cannot act on SIGTERM.
        sandbox.process.send_signal(signal.SIGSTOP)
    assert sandbox.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--listen", "0.0.0.0:0"], 2, "'0.0.0.0' is not a loopback address; the sandbox"),
        (["--listen", "[::]:0"], 2, "'[::]' is not a loopback address"),
        (["--listen", "192.0.2.1:80"], 2, "'192.0.2.1' is not a loopback address"),
        (["--listen", "example.com:80"], 2, "'example.com' is not an IP address or localhost"),
        (["--listen", "127.0.0.1"], 2, "'127.0.0.1' is not of the form HOST:PORT"),
        (["--listen", "127.0.0.1:x"], 2, "'127.0.0.1:x' is not of the form HOST:PORT"),
        (["--listen", "127.0.0.1:65536"], 2, "'127.0.0.1:65536' is not of the form HOST:PORT"),
        (["--api-key", "hunter2"], 2, "an API key is `API-` followed by capital letters and"),
        (["--read-only-api-key", KEY], 2, "the API keys must differ from one another"),
        (["--api-key", ""], 2, "give an API key with --api-key or SECRETSYNC_SANDBOX_API_KEY"),
    ],
)
def test_wrong_arguments_get_one_line(arguments: list[str], code: int, message: str) -> None:
    environment = {"SECRETSYNC_SANDBOX_API_KEY": KEY}
    result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {message}")
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr


def test_a_port_in_use_gets_one_line() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--listen", f"127.0.0.1:{port}", "--api-key", KEY]
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stderr == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("127.1.2.3:80", ("127.1.2.3", 80)),
        ("localhost:8080", ("127.0.0.1", 8080)),
        ("[::1]:65535", ("::1", 65535)),
        ("::1:80", ("::1", 80)),
    ],
)
def test_loopback_addresses_are_understood(listen: str, expected: tuple[str, int]) -> None:
    assert parse_listen(listen) == expected


def test_the_url_of_either_family() -> None:
    with bind("127.0.0.1", 0) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"
    with bind("::1", 0) as bound:
        assert url_of(bound) == f"http://[::1]:{bound.getsockname()[1]}"
