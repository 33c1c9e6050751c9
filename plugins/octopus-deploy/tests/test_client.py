"""Answers that are no answers: what is said of them, and what never leaves the process."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from octopus_kit import SET_ID, Engine

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    InvalidConfig,
    PermissionDenied,
    RateLimited,
    Unavailable,
)
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


BAD_ANSWERS = [
    ({"kind": "empty_body"}, Unavailable, "it is empty"),
    ({"kind": "truncated_json"}, Unavailable, "not valid JSON, perhaps cut off"),
    ({"kind": "status", "status": 200, "body": "html"}, Unavailable, "it is HTML"),
    ({"kind": "status", "status": 200, "body": "given", "text": "[]"}, Unavailable, "no variable"),
    (
        {"kind": "status", "status": 200, "body": "given", "text": '{"a":' * 99_999},
        Unavailable,
        "nested too deeply",
    ),
    ({"kind": "status", "status": 204, "body": "empty"}, Unavailable, "it is empty"),
    ({"kind": "status", "status": 502, "body": "html"}, Unavailable, "502 \\(Bad Gateway\\)"),
    ({"kind": "status", "status": 503}, Unavailable, "starting or in maintenance"),
    ({"kind": "cut_connection"}, Unavailable, "the connection failed"),
    ({"kind": "expired_key"}, AuthenticationFailed, "API key you provided was not valid"),
    ({"kind": "read_only", "method": "PUT", "status": 401}, PermissionDenied, "VariableEdit"),
    ({"kind": "rate_limit"}, RateLimited, "Too many requests"),
    (
        {"kind": "redirect", "location": "https://elsewhere.example.com/api/x"},
        InvalidConfig,
        "redirects to https://elsewhere.example.com; set instanceUrl",
    ),
]


@pytest.mark.parametrize(("fault", "error", "said"), BAD_ANSWERS, ids=lambda one: str(one)[:60])
async def test_what_is_said_of_bad_answers(
    sandbox: Sandbox,
    engine: EngineFactory,
    fault: dict[str, Any],
    error: type[AdapterError],
    said: str,
) -> None:
    sandbox.fault(**fault)

    with pytest.raises(error, match=said) as caught:
        await engine().sync({"A": "value-a"})

    assert caught.value.__context__ is None
    assert sandbox.inspect(SET_ID)["Variables"] == []


async def test_a_redirect_is_not_followed(sandbox: Sandbox, engine: EngineFactory) -> None:
    sandbox.fault("redirect", location=f"{sandbox.base_url}/api/users/me")

    with pytest.raises(InvalidConfig) as caught:
        await engine().sync({"A": "value-a"})

    assert len(sandbox.requests()) == 1
    assert set(caught.value.violations) == {"instanceUrl"}


async def test_a_server_that_is_down(engine: EngineFactory, closed_port: int) -> None:
    mine = engine(url=f"http://127.0.0.1:{closed_port}")

    with pytest.raises(Unavailable, match=f"127.0.0.1:{closed_port} cannot be reached: no conn"):
        await mine.validate()


async def test_a_host_that_does_not_exist(engine: EngineFactory) -> None:
    mine = engine(url="https://octopus.invalid")

    with pytest.raises(Unavailable, match=r"octopus\.invalid cannot be reached"):
        await mine.validate()


async def test_a_server_that_does_not_answer(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine()
    sandbox.fault("delay", seconds=1)
    async with httpx.AsyncClient(timeout=0.05, trust_env=False) as impatient:
        mine.http = impatient
        with pytest.raises(Unavailable, match="it did not answer in time"):
            await mine.validate()


async def test_a_pool_without_a_free_connection(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine()
    limits = httpx.Limits(max_connections=0)
    timeout = httpx.Timeout(5, pool=0.01)
    async with httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as full:
        mine.http = full
        with pytest.raises(Unavailable, match="no connection could be made in time"):
            await mine.validate()
    assert sandbox.requests() == []


async def test_an_answer_that_is_no_text(sandbox: Sandbox, engine: EngineFactory) -> None:
    class Latin1(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content="ü".encode("latin-1"), request=request)

    mine = engine(url=sandbox.base_url)
    async with httpx.AsyncClient(transport=Latin1()) as client:
        mine.http = client
        with pytest.raises(Unavailable, match="it is not UTF-8 text"):
            await mine.sync({"A": "value-a"})
