"""OpenID Connect: the exchange, how long its result is used, and what is said if it fails."""

# Fixtures hand out builders that take fields of any type.
# ruff: noqa: ANN401

import asyncio
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from octopus_kit import NOW, SET_ID, Engine, actions, config_of
from tokens import program, token_of

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    InvalidConfig,
    RateLimited,
    Unavailable,
    Unsupported,
)
from secretsync_octopus_deploy import authentication
from secretsync_octopus_deploy.credentials import OidcCredentials
from secretsync_octopus_deploy.oidc import DISCOVERY_PATH
from secretsync_octopus_deploy.sandbox.process import Sandbox
from secretsync_octopus_deploy.texts import WITHHELD
from secretsync_octopus_deploy.token_source import (
    COMMANDS_VARIABLE,
    DIRECTORIES_VARIABLE,
    INSTANCES_VARIABLE,
)

TOKEN = token_of(sub="svc")
VARIABLES = "/api/Spaces-1/projects/Projects-2/variables"
EXCHANGE = [("GET", DISCOVERY_PATH, 200), ("POST", "/token/v1", 200)]
RUN = [("GET", VARIABLES, 200), ("PUT", VARIABLES, 200), ("GET", VARIABLES, 200)]
READ = RUN[:1]


@dataclass
class OidcEngine(Engine):
    """An engine with a clock of its own."""

    now: datetime = NOW

    def carried(self) -> dict[str, Any]:
        return {**super().carried(), "clock": lambda: self.now}


Make = Callable[..., OidcEngine]


@pytest.fixture
def oidc(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox that exchanges `TOKEN`."""
    sandbox.accept_subject_token(TOKEN)
    sandbox.clear_requests()
    yield sandbox
    sandbox.configure_oidc()
    sandbox.forget_subject_tokens()
    sandbox.expire_tokens()


@pytest.fixture
def token_file(oidc: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is allowed and holds `TOKEN`."""
    monkeypatch.setenv(INSTANCES_VARIABLE, f"{oidc.base_url},https://octopus.invalid")
    monkeypatch.setenv(DIRECTORIES_VARIABLE, str(tmp_path))
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def make(oidc: Sandbox, http: httpx.AsyncClient, token_file: Path) -> Make:
    """Makes engines; fields are those of the credentials."""

    def make(scope: dict[str, list[str]] | None = None, **fields: Any) -> OidcEngine:
        given = {
            "instanceUrl": oidc.base_url,
            "serviceAccountId": oidc.service_account_id,
            "tokenFile": str(token_file),
        }
        credentials = OidcCredentials.model_validate({**given, **fields})
        return OidcEngine(credentials, http, config_of(scope))

    return make


def calls(sandbox: Sandbox) -> list[tuple[str, str, int | None]]:
    """Return what the sandbox was asked for since the last time, and forget it."""
    found = [(one.method, one.path, one.status) for one in sandbox.requests()]
    sandbox.clear_requests()
    return found


def answer(
    sandbox: Sandbox, body: object, path: str, *, status: int = 400, times: int | None = 1
) -> None:
    """Let the sandbox answer that body."""
    text = json.dumps(body)
    sandbox.fault("status", status=status, body="given", text=text, path=path, times=times)


def renew(sandbox: Sandbox, token_file: Path) -> None:
    """Do what an issuer does: put another token in place of the one that will expire."""
    put_in_place(sandbox, token_file, token_of(sub="svc", jti="2"))


def put_in_place(sandbox: Sandbox, token_file: Path, token: str) -> None:
    """Let the sandbox accept a token, and write it where the credentials look for it."""
    sandbox.accept_subject_token(token)
    token_file.write_text(token)


def end(token_file: Path) -> None:
    """Take the token away."""
    token_file.unlink()


# How long a token is used


async def test_one_exchange_and_then_the_usual_requests(oidc: Sandbox, make: Make) -> None:
    mine = make()

    assert actions(await mine.sync({"A": "value-a"})) == {"A": "created"}
    assert calls(oidc) == [*EXCHANGE, *RUN]
    assert actions(await mine.sync({"A": "value-a"})) == {"A": "unchanged"}
    assert calls(oidc) == READ
    assert actions(await mine.remove()) == {"A": "deleted"}
    assert calls(oidc) == RUN


async def test_a_token_that_grew_old_is_renewed_before_the_write_is_announced(
    oidc: Sandbox, make: Make
) -> None:
    mine = make()
    before_intent: list[tuple[str, str, int | None]] = []

    def time_goes_by(step: str, _done: int, _total: int) -> None:
        if step == "writing":
            mine.now += timedelta(days=1)

    mine.before_write = lambda: before_intent.extend(calls(oidc))
    await mine.sync({"A": "value-a"}, report_progress=time_goes_by)

    assert before_intent == [*EXCHANGE, *READ, *EXCHANGE]
    assert calls(oidc) == RUN[1:]


async def test_the_token_of_a_program(
    oidc: Sandbox, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = program(tmp_path / "get-token", f"echo {TOKEN}")
    monkeypatch.setenv(COMMANDS_VARIABLE, str(command))

    await make(tokenFile=None, tokenCommand=str(command)).sync({"A": "value-a"})

    assert calls(oidc) == [*EXCHANGE, *RUN]


@pytest.mark.parametrize("as_text", [False, True])
async def test_a_token_is_renewed_before_it_expires(
    oidc: Sandbox, make: Make, token_file: Path, *, as_text: bool
) -> None:
    oidc.configure_oidc(expires_in_as_text=as_text)
    oidc.accept_subject_token(TOKEN, expires_in=1000)
    mine = make()
    await mine.sync({})
    oidc.clear_requests()
    renew(oidc, token_file)

    mine.now += timedelta(seconds=799)
    await mine.sync({})
    assert calls(oidc) == READ
    mine.now += timedelta(seconds=1)
    oidc.expire_tokens()
    await mine.sync({})
    assert calls(oidc) == [*EXCHANGE, *READ]
    mine.now += timedelta(seconds=2879)
    await mine.sync({})
    assert calls(oidc) == READ


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(None, 240), ("soon", 240), ("NaN", 240), (0, 0), (-5, 0), (10**30, 69_120), ("1e9", 69_120)],
)
async def test_lives_that_are_none(
    oidc: Sandbox, make: Make, expires_in: object, seconds: int
) -> None:
    body = {"access_token": "x.y", "token_type": "bearer", "expires_in": expires_in}
    answer(oidc, body, "/token/", status=200, times=None)
    mine = make()

    # The sandbox does not know the token.
    with pytest.raises(AuthenticationFailed):
        await mine.sync({})

    (shared,) = authentication._tokens[asyncio.get_running_loop()].values()
    assert shared.token is not None
    assert shared.token.renewed_from == NOW + timedelta(seconds=seconds)


async def test_runs_at_a_time_share_one_exchange(oidc: Sandbox, make: Make) -> None:
    engines = [make({"environments": [f"Environments-{number}"]}) for number in (1, 2)]
    oidc.fault("delay", seconds=0.2, path=DISCOVERY_PATH)

    await asyncio.gather(*(engine.sync({}) for engine in engines))

    assert sorted(calls(oidc)) == sorted([*EXCHANGE, *READ, *READ])


async def test_only_equal_credentials_share(oidc: Sandbox, make: Make, token_file: Path) -> None:
    other = token_file.parent / "other"
    other.write_text(TOKEN)

    await make().sync({})
    await make(tokenFile=str(other)).sync({})
    assert calls(oidc) == [*EXCHANGE, *READ, *EXCHANGE, *READ]
    await make(allowInsecureHttp=True).sync({})
    assert calls(oidc) == [*EXCHANGE, *READ]
    await make().sync({})
    assert calls(oidc) == READ


async def test_a_run_that_ends_during_the_exchange_holds_up_nobody(
    oidc: Sandbox, make: Make
) -> None:
    oidc.fault("delay", seconds=5, path=DISCOVERY_PATH)
    ended = asyncio.create_task(make().sync({}))
    waiting = asyncio.create_task(make().sync({}))
    async with asyncio.timeout(10):
        while not oidc.requests():  # noqa: ASYNC110  the sandbox is another process
            await asyncio.sleep(0.01)

    ended.cancel()

    await waiting
    with pytest.raises(asyncio.CancelledError):
        await ended
    assert calls(oidc)[1:] == [*EXCHANGE, *READ]


async def test_tokens_of_deleted_connections_are_let_go(oidc: Sandbox, make: Make) -> None:
    gone, kept = make(), make(allowInsecureHttp=True)
    await gone.sync({})
    kept.now += timedelta(hours=1)

    await kept.sync({})

    assert list(authentication._tokens[asyncio.get_running_loop()]) == [kept.credentials]
    assert calls(oidc) == [*EXCHANGE, *READ] * 2


async def test_a_proof_does_not_rest_on_an_earlier_exchange(
    oidc: Sandbox, make: Make, token_file: Path
) -> None:
    mine = make()
    await mine.sync({})
    oidc.clear_requests()

    await mine.validate(mine.config)
    assert calls(oidc)[:2] == EXCHANGE
    end(token_file)
    with pytest.raises(InvalidConfig, match="tokenFile does not exist"):
        await mine.validate()


# Tokens that Octopus does not accept any more


async def test_an_expired_token_is_replaced_in_the_middle_of_a_run(
    oidc: Sandbox, make: Make
) -> None:
    mine = make()

    def expire_once() -> None:
        mine.before_write = lambda: None
        oidc.expire_tokens()

    mine.before_write = expire_once

    result = await mine.sync({"A": "value-a"})

    assert actions(result) == {"A": "created"}
    refused = ("PUT", VARIABLES, 401)
    # From the beginning, since the write must follow its announcement at once.
    assert calls(oidc) == [*EXCHANGE, *READ, refused, *EXCHANGE, *RUN]
    (row,) = oidc.inspect(SET_ID)["Variables"]
    assert (row["Name"], row["Value"]) == ("A", "value-a")


async def test_a_token_that_another_run_has_replaced_is_not_exchanged_again(
    oidc: Sandbox, make: Make
) -> None:
    one, other = make(), make(scope={"environments": ["Environments-1"]})
    await one.sync({})
    oidc.expire_tokens()
    oidc.clear_requests()
    oidc.fault("delay", seconds=0.2, path=DISCOVERY_PATH)

    await asyncio.gather(one.sync({}), other.sync({}))

    refused = ("GET", VARIABLES, 401)
    assert sorted(calls(oidc)) == sorted([refused, refused, *EXCHANGE, *READ, *READ])


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_request_is_repeated_once_and_then_fails_for_good(
    oidc: Sandbox, make: Make, method: str
) -> None:
    oidc.fault("expired_key", method=method, path="/variables", times=None)

    with pytest.raises(AuthenticationFailed, match=r"401 \(Unauthorized\)") as caught:
        await make().sync({"A": "value-a"})

    refused = (method, VARIABLES, 401)
    before = [] if method == "GET" else READ
    assert calls(oidc) == [*EXCHANGE, *before, refused, *EXCHANGE, *before, refused]
    assert "check that the service account is active" in str(caught.value.hint)
    assert "apiKey" not in str(caught.value.hint)
    assert oidc.inspect(SET_ID)["Variables"] == []


async def test_a_missing_permission_is_not_taken_for_an_expired_token(
    oidc: Sandbox, make: Make
) -> None:
    oidc.fault("read_only", method="PUT", status=401)

    with pytest.raises(AdapterError, match="VariableEdit"):
        await make().sync({"A": "value-a"})

    assert calls(oidc) == [*EXCHANGE, *READ, ("PUT", VARIABLES, 401)]


async def test_nothing_is_written_if_the_token_cannot_be_renewed(oidc: Sandbox, make: Make) -> None:
    def end() -> None:
        oidc.expire_tokens()
        oidc.forget_subject_tokens()

    mine = make()
    mine.before_write = end

    with pytest.raises(AuthenticationFailed, match="refused to exchange the token"):
        await mine.sync({"A": "value-a"})

    assert oidc.inspect(SET_ID)["Variables"] == []
    assert mine.ledger == ()
    assert mine.written_from == {}


# What is said if there is no token


@pytest.mark.parametrize("octopus_errors", [False, True])
async def test_a_token_that_octopus_refuses(
    oidc: Sandbox, make: Make, *, octopus_errors: bool
) -> None:
    oidc.configure_oidc(octopus_errors=octopus_errors)
    oidc.forget_subject_tokens()

    with pytest.raises(AuthenticationFailed) as caught:
        await make().sync({"A": "value-a"})

    assert "The subject token is not valid for this service account." in caught.value.message
    assert "invalid_request" in caught.value.message or octopus_errors
    assert "serviceAccountId" in str(caught.value.hint)
    assert [status for *_, status in calls(oidc)] == [200, 400]


async def test_another_service_account(oidc: Sandbox, make: Make) -> None:
    with pytest.raises(AuthenticationFailed, match="The audience is not the id of a service"):
        await make(serviceAccountId="00000000-0000-0000-0000-000000000000").validate()

    assert calls(oidc)[-1] == ("POST", "/token/v1", 400)


async def test_a_server_without_openid_connect(oidc: Sandbox, make: Make) -> None:
    oidc.configure_oidc(enabled=False)

    with pytest.raises(Unsupported, match="does not offer OpenID Connect") as caught:
        await make().validate()

    assert "api-key" in str(caught.value.hint)
    assert calls(oidc) == [("GET", DISCOVERY_PATH, 404)]


async def test_the_discovery_document_is_honoured(oidc: Sandbox, make: Make) -> None:
    oidc.configure_oidc(endpoint_path="/token/v2")

    await make().sync({})

    assert calls(oidc) == [EXCHANGE[0], ("POST", "/token/v2", 200), *READ]


async def test_an_endpoint_is_taken_with_its_query(oidc: Sandbox, make: Make) -> None:
    endpoint = f"{oidc.base_url.upper().replace('HTTP', 'http')}/token/v1?a=b"
    answer(oidc, {"token_endpoint": endpoint}, DISCOVERY_PATH, status=200)

    await make().sync({})

    assert [one.query for one in oidc.requests()][:2] == ["", "a=b"]


ELSEWHERE = "is not the address that Octopus takes for its own"
NOT_PLAIN = "its token_endpoint is no plain address"


@pytest.mark.parametrize(
    ("endpoint", "error", "said"),
    [
        ("https://elsewhere.example.com/token/v1", InvalidConfig, "at https://elsewhere.example"),
        ("http://127.0.0.1:1/token/v1", InvalidConfig, ELSEWHERE),
        ("{https}/token/v1", InvalidConfig, ELSEWHERE),
        ("/token/v1", InvalidConfig, ELSEWHERE),
        ("", InvalidConfig, ELSEWHERE),
        ("file:///etc/passwd", InvalidConfig, ELSEWHERE),
        ("http://user@127.0.0.1/token", Unavailable, NOT_PLAIN),
        ("{base}/token/v1#x", Unavailable, NOT_PLAIN),
        ("{base}/tok en", Unavailable, NOT_PLAIN),
        ("{base}/tök", Unavailable, NOT_PLAIN),
        ("{base}/a\nb", Unavailable, NOT_PLAIN),
        ("http://[::1", Unavailable, NOT_PLAIN),
        ("http://127.0.0.1:99999/", Unavailable, NOT_PLAIN),
        ("{base}/" + "x" * 500, Unavailable, NOT_PLAIN),
        (None, Unsupported, "names no token_endpoint"),
        (5, Unsupported, "names no token_endpoint"),
    ],
    ids=lambda one: str(one)[:40],
)
async def test_endpoints_that_no_token_is_sent_to(
    oidc: Sandbox, make: Make, endpoint: object, error: type[AdapterError], said: str
) -> None:
    if isinstance(endpoint, str):
        https = oidc.base_url.replace("http", "https")
        endpoint = endpoint.replace("{base}", oidc.base_url).replace("{https}", https)
    answer(oidc, {"token_endpoint": endpoint}, DISCOVERY_PATH, status=200)

    with pytest.raises(error, match=said) as caught:
        await make().validate()

    assert calls(oidc) == EXCHANGE[:1]
    if isinstance(caught.value, InvalidConfig):
        assert set(caught.value.violations) == {"instanceUrl"}


BAD_ANSWERS: list[tuple[str, dict[str, Any], type[AdapterError], str]] = [
    (DISCOVERY_PATH, {"kind": "status", "status": 503}, Unavailable, "503"),
    (DISCOVERY_PATH, {"kind": "status", "status": 401}, AuthenticationFailed, "401"),
    (DISCOVERY_PATH, {"kind": "status", "status": 403}, AuthenticationFailed, "403"),
    (DISCOVERY_PATH, {"kind": "status", "status": 405}, Unsupported, "does not offer"),
    (DISCOVERY_PATH, {"kind": "status", "status": 409}, AuthenticationFailed, "409"),
    (DISCOVERY_PATH, {"kind": "rate_limit", "retry_after": 7}, RateLimited, "429"),
    (DISCOVERY_PATH, {"kind": "cut_connection"}, Unavailable, "the connection failed"),
    (DISCOVERY_PATH, {"kind": "truncated_json"}, Unavailable, "it is no JSON object"),
    (DISCOVERY_PATH, {"kind": "empty_body"}, Unavailable, "it is no JSON object"),
    (
        DISCOVERY_PATH,
        {"kind": "status", "status": 200, "body": "html"},
        Unavailable,
        "it is no JSON object",
    ),
    (
        DISCOVERY_PATH,
        {"kind": "redirect", "location": "https://elsewhere.example.com/x"},
        InvalidConfig,
        "redirects to https://elsewhere.example.com",
    ),
    ("/token/", {"kind": "status", "status": 502, "body": "html"}, Unavailable, "502"),
    ("/token/", {"kind": "status", "status": 408}, Unavailable, "408"),
    ("/token/", {"kind": "status", "status": 404}, Unsupported, "there is no token endpoint"),
    ("/token/", {"kind": "status", "status": 405}, Unsupported, "there is no token endpoint"),
    ("/token/", {"kind": "status", "status": 409}, AuthenticationFailed, "409"),
    ("/token/", {"kind": "status", "status": 403, "body": "empty"}, AuthenticationFailed, "why"),
    (
        "/token/",
        {"kind": "status", "status": 400, "body": "given", "text": '["x"]'},
        AuthenticationFailed,
        "it does not say why",
    ),
    ("/token/", {"kind": "rate_limit"}, RateLimited, "429"),
    ("/token/", {"kind": "cut_connection"}, Unavailable, "the connection failed"),
    ("/token/", {"kind": "truncated_json"}, Unavailable, "it is no JSON object"),
    (
        "/token/",
        {"kind": "redirect", "location": "https://elsewhere.example.com/x"},
        InvalidConfig,
        "redirects to https://elsewhere.example.com",
    ),
    (
        "/token/",
        {"kind": "status", "status": 200, "body": "given", "text": '{"access_token":"a b"}'},
        Unavailable,
        "it has no access_token",
    ),
    (
        "/token/",
        {"kind": "status", "status": 200, "body": "given", "text": '{"access_token":5}'},
        Unavailable,
        "it has no access_token",
    ),
    (
        "/token/",
        {
            "kind": "status",
            "status": 200,
            "body": "given",
            "text": '{"access_token":"a","token_type":"mac"}',
        },
        Unavailable,
        "its token_type is not Bearer",
    ),
]


@pytest.mark.parametrize(
    ("path", "fault", "error", "said"),
    BAD_ANSWERS,
    ids=lambda one: str(one)[:60],
)
async def test_what_is_said_of_bad_answers(
    oidc: Sandbox,
    make: Make,
    path: str,
    fault: dict[str, Any],
    error: type[AdapterError],
    said: str,
) -> None:
    oidc.fault(path=path, **fault)

    with pytest.raises(error, match=said) as caught:
        await make().sync({"A": "value-a"})

    assert caught.value.__context__ is None
    assert type(caught.value) is error
    assert all(path != VARIABLES for _, path, _ in calls(oidc))
    assert oidc.inspect(SET_ID)["Variables"] == []


async def test_a_rate_limit_tells_its_pause(oidc: Sandbox, make: Make) -> None:
    oidc.fault("rate_limit", retry_after=7, path="/token/")

    with pytest.raises(RateLimited) as caught:
        await make().validate()

    assert caught.value.retry_after == 7


async def test_a_server_that_is_down(make: Make) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await make(instanceUrl="https://octopus.invalid").validate()


# What never leaves the process


def everything_of(error: BaseException) -> str:
    """Return all that could be shown of an error and of what led to it."""
    told = "".join(traceback.format_exception(error))
    chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
    facts = [repr(getattr(one, "__dict__", None)) for one in chain]
    return told + "".join(facts)


def quoting(text: str) -> list[dict[str, Any]]:
    """Return bodies of errors that repeat a text, in full and cut off."""
    return [
        {"ErrorMessage": f"bad: {text}", "Errors": [text]},
        {"Errors": [f"cut off: {text[-40:-10]}"]},
        {"error": "invalid_request", "error_description": f"bad: {text}"},
        {"error": text},
    ]


async def test_no_token_is_told_of(
    oidc: Sandbox,
    make: Make,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    issued: list[str] = []

    async def note(response: httpx.Response) -> None:
        issued.extend(re.findall('"access_token":"([^"]+)"', (await response.aread()).decode()))

    mine = make()
    mine.http.event_hooks["response"].append(note)
    shown: list[str] = []

    async def fail() -> None:
        with pytest.raises(AdapterError) as caught:
            await mine.sync({"A": "value-a"})
        shown.append(everything_of(caught.value))

    for body in quoting(TOKEN):
        answer(oidc, body, "/token/")
        await fail()
        assert WITHHELD in shown[-1]
    await mine.sync({})
    for body in [*quoting(TOKEN)[:2], *quoting(issued[-1])[:2]]:
        answer(oidc, body, "/variables")
        await fail()
        assert WITHHELD in shown[-1]
    for kind in ("cut_connection", "truncated_json"):
        for path in (DISCOVERY_PATH, "/token/", "/variables"):
            oidc.expire_tokens()
            oidc.fault(kind, path=path)
            await fail()
    for name in (TOKEN, TOKEN[10:40]):
        answer(oidc, {"Id": "Users-1", "Username": name}, "/users/me", status=200)
        shown.append((await mine.validate()).summary)
        assert "not shown, because it repeats a credential" in shown[-1]
    shared = authentication._tokens[asyncio.get_running_loop()]
    shown += [repr(mine), repr(shared), *(repr(vars(one)) for one in shared.values())]
    shown += [f"{one.getMessage()} {one.args}" for one in caplog.records]

    assert len(issued) > 4
    assert any("/token/v1" in text for text in shown)
    for secret in (TOKEN, *issued):
        parts = {secret, *(part for part in secret.split(".") if len(part) > 20)}
        assert not [text for text in shown for part in parts if part in text]


async def test_tokens_that_were_sent_before_are_withheld_too(oidc: Sandbox, make: Make) -> None:
    mine = make()
    await mine.sync({})
    (used,) = authentication._tokens[asyncio.get_running_loop()].values()
    assert used.token
    first = used.token.value.reveal()

    def repeat_the_first() -> None:
        mine.before_write = lambda: None
        oidc.expire_tokens()
        oidc.fault("status", status=400, message=f"you sent {first}", method="PUT", skip=1)

    mine.before_write = repeat_the_first
    with pytest.raises(InvalidConfig) as caught:
        await mine.sync({"A": "value-a"})
    assert first not in str(caught.value)
    assert WITHHELD in str(caught.value)


async def test_a_discovery_that_repeats_the_token_is_withheld(oidc: Sandbox, make: Make) -> None:
    answer(oidc, {"ErrorMessage": f"you sent {TOKEN}"}, DISCOVERY_PATH, status=400)

    with pytest.raises(AuthenticationFailed) as caught:
        await make().sync({})

    assert TOKEN not in str(caught.value)
    assert WITHHELD in str(caught.value)


async def test_a_token_may_expire_in_the_year_9999(
    oidc: Sandbox, make: Make, token_file: Path
) -> None:
    put_in_place(oidc, token_file, token_of(sub="svc", exp=253402300799))

    assert actions(await make().sync({"A": "value-a"})) == {"A": "created"}
