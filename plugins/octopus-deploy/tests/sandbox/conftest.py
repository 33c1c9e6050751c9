"""A sandbox in the test's own process, and one as a process of its own."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from secretsync_octopus_deploy.sandbox.app import create_app
from secretsync_octopus_deploy.sandbox.keys import ApiKeys
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

KEYS = {"full": "API-FULL1", "read-only": "API-READONLY1", "expired": "API-EXPIRED1"}

ClientFactory = Callable[[str | None], httpx.AsyncClient]


@pytest.fixture
def seed() -> str:
    return "default"


@pytest.fixture
async def client_for(seed: str) -> AsyncIterator[ClientFactory]:
    """Makes clients of one sandbox, with the "full", "read-only" or "expired" key, or none."""
    transport = httpx.ASGITransport(create_app(ApiKeys(*KEYS.values()), seed=seed))
    clients: list[httpx.AsyncClient] = []

    def make(key: str | None) -> httpx.AsyncClient:
        headers = {} if key is None else {"X-Octopus-ApiKey": KEYS[key]}
        clients.append(
            httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers)
        )
        return clients[-1]

    yield make
    for one in clients:
        await one.aclose()


@pytest.fixture
def client(client_for: ClientFactory) -> httpx.AsyncClient:
    """A client with full access."""
    return client_for("full")


@pytest.fixture(scope="session")
def _process() -> Iterator[Sandbox]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_process: Sandbox) -> Sandbox:
    """A sandbox process that all tests share, without faults and with an empty log."""
    _process.clear_faults()
    _process.clear_requests()
    return _process
