"""The rate limit: a bucket that empties and refills, and the headers that tell of it."""

from collections.abc import Callable

import httpx
import pytest

from secretsync_octopus_deploy.sandbox.process import Sandbox
from secretsync_octopus_deploy.sandbox.rate_limit import RateLimit, RateLimiter

ClientFactory = Callable[[str | None], httpx.AsyncClient]

PATH = "/api/Spaces-1/projects/Projects-2/variables"
HOUR = 3600.0


class Clock:
    """A clock that stands still until it is told how late it is."""

    now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(clock)


def charge(limiter: RateLimiter) -> tuple[bool, dict[str, str]]:
    charged = limiter.charge()
    assert charged is not None
    return charged.is_refused, charged.headers


def test_without_a_policy_nothing_is_charged(limiter: RateLimiter) -> None:
    assert limiter.charge() is None
    limiter.set(RateLimit(limit=1, per=1.0))
    assert limiter.charge() is not None
    limiter.set(None)
    assert limiter.charge() is None


def test_the_bucket_empties_and_refills(limiter: RateLimiter, clock: Clock) -> None:
    policy = "l=3;rpm=60"
    limiter.set(RateLimit(limit=3, per=3.0))
    left = [charge(limiter) for _ in range(3)]
    assert left == [
        (False, {"Octopus-RateLimit-Policy": policy, "Octopus-RateLimit": "r=2;t=1"}),
        (False, {"Octopus-RateLimit-Policy": policy, "Octopus-RateLimit": "r=1;t=2"}),
        (False, {"Octopus-RateLimit-Policy": policy, "Octopus-RateLimit": "r=0;t=3"}),
    ]
    # Half a token is none; it is refused without being spent.
    clock.now += 0.5
    assert charge(limiter) == (
        True,
        {
            "Octopus-RateLimit-Policy": policy,
            "Octopus-RateLimit": "r=0;t=3",
            "Retry-After": "1",
        },
    )
    clock.now += 0.5
    assert charge(limiter) == (
        False,
        {"Octopus-RateLimit-Policy": policy, "Octopus-RateLimit": "r=0;t=3"},
    )
    # It never holds more than its limit.
    clock.now += HOUR
    assert charge(limiter)[1]["Octopus-RateLimit"] == "r=2;t=1"


def test_the_refilling_may_be_slower_than_the_burst(limiter: RateLimiter, clock: Clock) -> None:
    # The example of Octopus's documentation: 200 at once, then ten a second.
    limiter.set(RateLimit(limit=200, per=20.0, retry_after=False))
    assert [charge(limiter)[0] for _ in range(201)] == [*[False] * 200, True]
    refused, headers = charge(limiter)
    assert refused
    assert headers == {
        "Octopus-RateLimit-Policy": "l=200;rpm=600",
        "Octopus-RateLimit": "r=0;t=20",
    }
    clock.now += 2
    assert charge(limiter)[1]["Octopus-RateLimit"] == "r=19;t=19"


async def test_answers_carry_what_is_left_and_then_429(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    await client.put("/sandbox/rate-limit", json={"limit": 3, "per": HOUR})
    first = await client.get(PATH)
    assert first.status_code == 200
    assert first.headers["octopus-ratelimit-policy"] == "l=3;rpm=0.05"
    assert first.headers["octopus-ratelimit"] == "r=2;t=1200"
    # Failures count too, and another key of the same user spends the same bucket.
    missing = await client.get("/api/nowhere")
    assert (missing.status_code, missing.headers["octopus-ratelimit"][:3]) == (404, "r=1")
    refused = await client_for("read-only").put(PATH, json={})
    assert (refused.status_code, refused.headers["octopus-ratelimit"][:3]) == (403, "r=0")
    over = await client.put(PATH, json={"Version": 0, "Variables": []})
    assert over.status_code == 429
    assert over.json()["ErrorMessage"].startswith("Too many requests.")
    assert 1190 < int(over.headers["retry-after"]) <= 1200
    # Nothing was done, and the sandbox itself is not limited.
    found = (await client.get("/sandbox/variablesets/variableset-Projects-2")).json()
    assert found["Version"] == 0
    assert [entry["status"] for entry in (await client.get("/sandbox/requests")).json()] == [
        200,
        404,
        403,
        429,
    ]
    assert (await client.delete("/sandbox/faults")).status_code == 204
    free = await client.get(PATH)
    assert free.status_code == 200
    assert "octopus-ratelimit" not in free.headers


async def test_strangers_are_not_limited(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    await client.put("/sandbox/rate-limit", json={"limit": 1, "per": HOUR})
    for _ in range(3):
        anonymous = await client_for(None).get("/api")
        expired = await client_for("expired").get("/api")
        assert [anonymous.status_code, expired.status_code] == [200, 200]
        assert "octopus-ratelimit" not in anonymous.headers
    # With a key the root counts as well.
    assert (await client.get("/api")).headers["octopus-ratelimit"][:3] == "r=0"
    assert (await client.get("/api")).status_code == 429


async def test_a_refused_request_uses_no_fault_up(client: httpx.AsyncClient) -> None:
    await client.put("/sandbox/rate-limit", json={"limit": 1, "per": HOUR, "retry_after": False})
    await client.post("/sandbox/faults", json={"fault": {"kind": "rate_limit", "limit": "r=5;t=9"}})
    # The fault's own headers stand.
    assert (await client.get(PATH)).headers["octopus-ratelimit"] == "r=5;t=9"
    await client.post("/sandbox/faults", json={"fault": {"kind": "status", "status": 503}})
    over = await client.get(PATH)
    assert over.status_code == 429
    assert "retry-after" not in over.headers
    (waiting,) = (await client.get("/sandbox/faults")).json()
    assert waiting["fault"]["kind"] == "status"


def test_the_helper_limits_the_rate(sandbox: Sandbox) -> None:
    headers = {"X-Octopus-ApiKey": sandbox.api_key}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, trust_env=False) as user:
        sandbox.limit_rate(2, HOUR)
        statuses = [user.get("/api/users/me").status_code for _ in range(3)]
        sandbox.clear_faults()
        statuses.append(user.get("/api/users/me").status_code)
    assert statuses == [200, 200, 429, 200]
