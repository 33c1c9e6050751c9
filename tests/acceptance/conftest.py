"""One Octopus sandbox for all acceptance tests; a service and an Octopus project for each."""

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

# Test folders are no packages: this lets all modules here import what they share, and what they
# share with other folders.
sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

from acceptance_kit import Api, OctopusProject, Service, running_service

from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    yield shared_sandbox
    shared_sandbox.clear_faults()


@pytest.fixture
def octopus(sandbox: Sandbox) -> OctopusProject:
    """An Octopus project that is empty."""
    (project,) = sandbox.add_projects(1)
    return OctopusProject(sandbox, project["Id"], project["VariableSetId"])


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that keep to names of their own."""
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that holds nothing."""
    with running_service(tmp_path) as running:
        yield running


@pytest.fixture
def api(service: Service) -> Iterator[Api]:
    with grpc.insecure_channel(service.address) as channel:
        yield Api(channel)
