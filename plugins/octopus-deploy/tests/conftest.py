"""A sandbox process shared by the tests, and a small engine to run the plugin against it."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

# Test folders are no packages: this lets all modules here import what they share.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from octopus_kit import LIBRARY_SET_ID, SET_ID, Engine, config_of

from secretsync_octopus_deploy import arrival, git_variables, runs
from secretsync_octopus_deploy.credentials import ApiKeyCredentials
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

EngineFactory = Callable[..., Engine]


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[Sandbox]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox_process: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox without faults, with an empty log and no variables in the places in use.

    As after a validation, it is remembered that the project in use is not in Git.
    """
    memory = git_variables.GitMemory()
    memory.remember(_sandbox_process.base_url, config_of(), git_variables.GitHome(in_git=False))
    monkeypatch.setattr(git_variables, "PROJECTS", memory)
    _sandbox_process.clear_faults()
    _sandbox_process.refuse_unknown_scope_ids(refuse=False)
    _sandbox_process.thaw(SET_ID)
    _sandbox_process.put_variables(SET_ID, [])
    _sandbox_process.put_variables(LIBRARY_SET_ID, [])
    _sandbox_process.clear_requests()
    return _sandbox_process


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(arrival, "SETTLE", 0.02)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client set up as the engine's is."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def engine(sandbox: Sandbox, http: httpx.AsyncClient) -> EngineFactory:
    """Makes engines: `engine(scope)` for a sync with that scope, `key=` for another API key."""

    def make(
        scope: Mapping[str, Sequence[str]] | None = None,
        /,
        *,
        key: str | None = None,
        url: str | None = None,
        **config: str | None,
    ) -> Engine:
        credentials = ApiKeyCredentials.model_validate(
            {"instanceUrl": url or sandbox.base_url, "apiKey": key or sandbox.api_key}
        )
        return Engine(credentials, http, config_of(scope, **config))

    return make
