"""`secretsync serve` as a process: how it starts, refuses to start, and ends."""

import base64
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from acceptance_kit import (
    READY,
    Api,
    OctopusProject,
    Service,
    environment,
    installed,
    running_service,
    wait_until,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from secretsync.v1 import connection_service_pb2 as connections
from secretsync.v1 import project_service_pb2 as projects
from secretsync.v1 import secret_sync_service_pb2 as syncs

VALUES = {"DB_PASSWORD": "correct horse battery staple", "EMPTY": ""}
HELD = {(key, "Environments-1"): value for key, value in VALUES.items()}


def refusal(*options: str, code: int = 1, **variables: str) -> str:
    """Return the one line that a server says that cannot start."""
    done = subprocess.run(
        [installed("secretsync"), "serve", *options],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout == "", "it was not ready"
    (line,) = done.stderr.splitlines()
    assert line.startswith("secretsync: error: ")
    return line


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pushed(octopus: OctopusProject) -> int:
    """Return how often the project's variables were written."""
    return sum(
        request.method == "PUT" and octopus.project_id in request.path
        for request in octopus.sandbox.requests()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_once_when_it_is_ready_and_ends_at_a_signal(
    service: Service, number: signal.Signals
) -> None:
    host, _, port = service.address.rpartition(":")
    assert host == "127.0.0.1"
    assert 1024 <= int(port) <= 65535
    with grpc.insecure_channel(service.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    service.process.send_signal(number)
    assert service.process.wait(30) == 0
    assert service.stdout.read_text() == f"{READY}{service.address}\n"
    assert "Traceback" not in service.output()


def test_what_it_keeps_is_private(shared_service: Service) -> None:
    files = list(shared_service.data_dir.iterdir())
    assert mode(shared_service.data_dir) == 0o700
    assert {"secretsync.db", "secretsync.key"} < {path.name for path in files}
    assert {path.name: oct(mode(path)) for path in files} == {path.name: "0o600" for path in files}


def test_a_run_under_way_may_end_within_the_grace(tmp_path: Path, octopus: OctopusProject) -> None:
    octopus.sandbox.fault("delay", method="PUT", path=octopus.project_id, seconds=2)
    with (
        running_service(tmp_path, "--shutdown-grace", "60") as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        name = Api(channel).set_up(octopus, VALUES)
        wait_until(lambda: pushed(octopus), "the run writes")
        assert service.stop() == 0
        assert octopus.held() == HELD
    with (
        running_service(tmp_path) as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        run = Api(channel).run(name)
    assert (run.state, run.attempt) == (syncs.RUN_STATE_SUCCEEDED, 1)
    assert pushed(octopus) == 1


def test_a_run_that_outlasts_the_grace_ends_after_the_restart(
    tmp_path: Path, octopus: OctopusProject
) -> None:
    octopus.sandbox.fault("delay", method="PUT", path=octopus.project_id, seconds=100)
    with (
        running_service(tmp_path, "--shutdown-grace", "0.2", "--log-level", "debug") as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        name = Api(channel).set_up(octopus, VALUES)
        wait_until(lambda: pushed(octopus), "the run writes")
        assert service.stop() == 0
        log = service.output()
    assert octopus.held() == {}
    with (
        running_service(tmp_path) as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        run = Api(channel).ended_run(name)
        log += service.output()
    assert run.state == syncs.RUN_STATE_SUCCEEDED, run.message
    assert octopus.held() == HELD
    for secret in (VALUES["DB_PASSWORD"], octopus.sandbox.api_key):
        assert secret not in log
    assert "Traceback" not in log


def test_a_call_under_way_may_end_within_the_grace(
    service: Service, api: Api, octopus: OctopusProject
) -> None:
    api.projects.CreateProject(projects.CreateProjectRequest(project_id="shop"))
    octopus.sandbox.clear_requests()
    octopus.sandbox.fault("delay", method="GET", seconds=2)
    request = connections.CreateConnectionRequest(
        parent="projects/shop", connection_id="octopus", connection=octopus.connection()
    )
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(api.connections.CreateConnection, request)
        wait_until(octopus.sandbox.requests, "the call reaches Octopus")
        assert service.stop() == 0
        assert call.result().name == "projects/shop/connections/octopus"


def test_a_port_in_use_is_refused(shared_service: Service, tmp_path: Path) -> None:
    address = shared_service.address
    line = refusal("--listen", address, "--data-dir", str(tmp_path / "data"))
    assert f"cannot listen on {address}" in line
    assert "--listen" in line


@pytest.mark.parametrize("host", ["0.0.0.0", "octopus.example"])  # noqa: S104
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, host: str) -> None:
    data_dir = tmp_path / "data"
    line = refusal("--listen", f"{host}:0", "--data-dir", str(data_dir), code=2)
    assert "listen: " in line
    assert "is not a loopback address" in line
    assert "authentication" in line
    assert not data_dir.exists()


def test_all_settings_that_break_a_rule_are_named(tmp_path: Path) -> None:
    options = {
        "--listen": "127.0.0.1:99999",
        "--log-level": "loud",
        "--max-runs": "0",
        "--max-runs-per-connection": "1001",
        "--shutdown-grace": "-1",
    }
    given = [word for pair in options.items() for word in pair]
    line = refusal("--data-dir", str(tmp_path / "data"), *given, code=2)
    for option in options:
        assert option.removeprefix("--").replace("-", "_") + ": " in line


def test_a_data_directory_in_use_is_refused(shared_service: Service) -> None:
    data_dir = shared_service.data_dir
    line = refusal("--listen", "127.0.0.1:0", "--data-dir", str(data_dir))
    assert f"{data_dir} is in use by another server" in line
    assert str(shared_service.process.pid) in line


def test_a_missing_wrong_or_public_key_is_refused(tmp_path: Path) -> None:
    with running_service(tmp_path) as service, grpc.insecure_channel(service.address) as channel:
        Api(channel).projects.CreateProject(projects.CreateProjectRequest(project_id="shop"))
    key = service.data_dir / "secretsync.key"
    options = ("--listen", "127.0.0.1:0", "--data-dir", str(service.data_dir))
    right = key.read_text()
    prefix = right.partition(":")[0]
    wrong = f"{prefix}:{base64.b64encode(bytes(32)).decode()}"

    key.unlink()
    assert f"the key file {key} is missing: restore it" in refusal(*options)
    assert not key.exists(), "no new key is made for an old database"

    line = refusal(*options, SECRETSYNC_KEY=wrong)
    assert "variable SECRETSYNC_KEY" in line
    assert "start with the key that was used before" in line
    assert wrong not in line

    key.write_text(right)
    key.chmod(0o644)
    assert f"run `chmod 600 {key}`" in refusal(*options)

    key.chmod(0o600)
    with running_service(tmp_path) as again:
        assert again.stop() == 0, "with the right key all is well again"
