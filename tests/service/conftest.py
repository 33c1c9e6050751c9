"""The service in this process on a loopback port, with a real store and two destinations."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import pytest

# Test folders are no packages: this lets all modules here import what they share.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from recording_destination import Recorder
from service_kit import Service, running

from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox


@pytest.fixture(scope="session", autouse=True)
def _grpc_for_the_whole_process() -> None:
    """Keep gRPC from ending each time that the last server or channel is gone.

    What is left of calls may be collected long after that, by the tests that come next in the same
    process, which then end gRPC amid whatever they are doing; one of these has died of it.
    """

    async def begin() -> None:
        grpc.aio.init_grpc_aio()

    with asyncio.Runner() as runner:
        runner.run(begin())


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A server that nothing was told yet."""
    async with running(tmp_path / "data") as started:
        yield started


@pytest.fixture
async def shop(service: Service) -> Service:
    """A server with the project `shop`, its environments `dev` and `prod`, and a connection."""
    await service.add_project()
    await service.connect()
    return service


@pytest.fixture
def recorder(service: Service) -> Recorder:
    """The destination in memory."""
    return service.recorder


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[Sandbox]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox_process: Sandbox) -> Sandbox:
    """An Octopus without faults, and with an empty log; project 2 has no variables."""
    _sandbox_process.clear_faults()
    _sandbox_process.put_variables("variableset-Projects-2", [])
    _sandbox_process.clear_requests()
    return _sandbox_process


@pytest.fixture
async def octopus(service: Service, sandbox: Sandbox) -> Service:
    """A server with the project `shop` and a connection to the sandbox."""
    await service.add_project()
    await service.connect(
        destination="octopus-deploy",
        method="api-key",
        credentials={"instanceUrl": sandbox.base_url, "apiKey": sandbox.api_key},
    )
    return service


@pytest.fixture
async def planless(service: Service) -> Service:
    """A server with the project `shop` and a connection to a destination that makes no plans."""
    plain = Recorder("plain", discovers=False)
    service.server.app.registry.register(plain, "plain")
    await service.add_project()
    await service.connect(destination="plain")
    service.recorder = plain
    return service


@pytest.fixture
def planless_recorder(planless: Service) -> Recorder:
    """The destination that makes no plans."""
    return planless.recorder
