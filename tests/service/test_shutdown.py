"""SIGTERM and SIGINT in a real process: health first, then calls, then the end with exit code 0."""

import asyncio
import contextlib
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from recording_destination import Recorder
from service_kit import CONNECTION, PATIENCE, SYNC, Service, running, wait_for

from secretsync.grpc_server import SERVICE_NAMES
from secretsync.server import RunningServer
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SCRIPT = Path(sys.executable).with_name("secretsync")
GRACE = 1.5


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `secretsync serve`, and return the process and its address."""
    process = await asyncio.create_subprocess_exec(
        SCRIPT,
        "serve",
        *("--listen", "127.0.0.1:0", "--data-dir", str(data_dir), "--shutdown-grace", str(GRACE)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        ready = re.fullmatch(r"secretsync listening on (127\.0\.0\.1:[1-9][0-9]*)\n", line.decode())
        assert ready, line
        yield process, ready[1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def client(channel: grpc.aio.Channel, address: str, data_dir: Path) -> Service:
    """Return a client of a server in another process, of whose parts nothing is known here."""
    app: object = None
    return Service(RunningServer(address, app), channel, Recorder(), data_dir)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens elsewhere."""

    async def arrived() -> bool | None:
        return condition() or None

    await wait_for(arrived)


async def watch(channel: grpc.aio.Channel, name: str, seen: list[tuple[str, int]]) -> None:
    """Note what health says of a service until the server ends the stream."""
    request = health_pb2.HealthCheckRequest(service=name)
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for answer in HealthStub(channel).Watch(request):
            seen.append((name, answer.status))  # noqa: PERF401  at once, not at the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
async def test_a_signal_ends_the_server_with_exit_code_0(
    tmp_path: Path, sandbox: Sandbox, number: signal.Signals
) -> None:
    data_dir = tmp_path / "data"
    async with (
        serving(data_dir) as (process, address),
        grpc.aio.insecure_channel(address) as channel,
    ):
        service = client(channel, address, data_dir)
        await service.add_project()
        await service.connect(
            destination="octopus-deploy",
            method="api-key",
            credentials={"instanceUrl": sandbox.base_url, "apiKey": sandbox.api_key},
        )
        seen: list[tuple[str, int]] = []
        names = ("", *SERVICE_NAMES)
        watchers = [asyncio.ensure_future(watch(channel, name, seen)) for name in names]
        await until(lambda: len(seen) == len(names))
        # A call that is under way when the signal comes.
        sandbox.clear_requests()
        sandbox.fault("delay", seconds=0.5)
        request = connection_pb.ValidateConnectionRequest(name=CONNECTION)
        call = asyncio.ensure_future(service.connections.ValidateConnection(request))
        await until(lambda: bool(sandbox.requests()))
        begun = time.monotonic()
        process.send_signal(number)
        assert (await call).summary.startswith("Octopus Deploy")
        async with asyncio.timeout(PATIENCE):
            _, stderr = await process.communicate()
        took = time.monotonic() - begun
        await asyncio.gather(*watchers)

    assert process.returncode == 0
    assert took < GRACE + 2
    serving_status = health_pb2.HealthCheckResponse.SERVING
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    for name in names:
        said = [status for who, status in seen if who == name]
        assert said[:2] == [serving_status, not_serving], (name, said)
    assert b"Traceback" not in stderr
    assert b"shutting down" in stderr
    async with running(data_dir) as again:
        request_again = connection_pb.GetConnectionRequest(name=CONNECTION)
        assert (await again.connections.GetConnection(request_again)).name == CONNECTION


async def test_a_run_that_does_not_end_in_time_is_put_back_and_taken_up_again(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, shutdown_grace=0.2) as service:
        await service.add_project()
        await service.connect()
        await service.put({"K": "v"})
        service.recorder.open.clear()
        await service.add_sync()
        (run,) = await service.runs()
        await until(lambda: bool(service.recorder.calls("sync")))
        # The run waits for the event that was there, which nobody sets any more.
        service.recorder.open = asyncio.Event()
    async with running(tmp_path) as service:
        ended = await service.ended(run.name)
        assert (ended.state, ended.attempt) == (pb.RUN_STATE_SUCCEEDED, 1)
        assert service.recorder.held["web"] == {"K": "v"}
        assert (await service.sync(SYNC)).sync_status.last_run == run.name
