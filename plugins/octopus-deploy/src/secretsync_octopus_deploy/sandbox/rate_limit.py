"""A rate limit as Octopus has since 2026.3: a token bucket, and headers that tell what is left.

Source: Octopus documentation, "Rate Limiting".
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from secretsync_octopus_deploy.sandbox.errors import OctopusError

POLICY_HEADER = "Octopus-RateLimit-Policy"
LIMIT_HEADER = "Octopus-RateLimit"
MAX_LIMIT = 100_000
MAX_SECONDS = 3_600


class RateLimit(BaseModel):
    """The policy for authenticated requests.

    Attributes:
        limit: How many requests the bucket holds (Octopus: "burst limit").
        per: The seconds in which an empty bucket fills again, continuously.
        retry_after: Whether a 429 has a `Retry-After`, which Octopus says it "may include".
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)]
    per: Annotated[float, Field(gt=0, le=MAX_SECONDS)]
    retry_after: bool = True


@dataclass(frozen=True, slots=True)
class Charge:
    """What the limit says of one request.

    Attributes:
        is_refused: Whether there was nothing left for it.
        headers: What its answer carries, whatever it is.
    """

    is_refused: bool
    headers: dict[str, str]


class RateLimiter:
    """The bucket, which all keys and access tokens share: the limit is per user, and they have one.

    Requests without valid credentials are not limited: that is another policy, which is off here.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._policy: RateLimit | None = None
        self._left = 0.0
        self._filled_at = 0.0

    def set(self, policy: RateLimit | None) -> None:
        """Put a policy in force, with a full bucket; None lifts the limit."""
        self._policy = policy
        self._left = float(policy.limit) if policy else 0.0
        self._filled_at = self._clock()

    def charge(self) -> Charge | None:
        """Take one request's token, and return what that means; None without a limit.

        UNVERIFIED: that the remaining requests are rounded down and the seconds up.
        """
        policy = self._policy
        if policy is None:
            return None
        now = self._clock()
        per_second = policy.limit / policy.per
        self._left = min(policy.limit, self._left + (now - self._filled_at) * per_second)
        self._filled_at = now
        is_refused = self._left < 1
        if not is_refused:
            self._left -= 1
        until_full = math.ceil((policy.limit - self._left) / per_second)
        headers = {
            POLICY_HEADER: f"l={policy.limit};rpm={60 * per_second:g}",
            LIMIT_HEADER: f"r={math.floor(self._left)};t={until_full}",
        }
        if is_refused and policy.retry_after:
            headers["Retry-After"] = str(math.ceil((1 - self._left) / per_second))
        return Charge(is_refused, headers)


def too_many_requests() -> OctopusError:
    """Return the 429. UNVERIFIED: its text."""
    return OctopusError(429, "Too many requests. Please try again later.")


def limiter_of(request: Request) -> RateLimiter:
    """Return the server's rate limiter."""
    return cast("RateLimiter", request.state.limiter)
