"""Paces the requests of one connection by what its destination says of its rate limit."""

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from secretsync.adapter import RateLimited, retry_after

log = logging.getLogger(__name__)

MAX_WAIT = 60.0
"""Seconds that a request waits for its turn at most: a run that waits takes up a slot of the
engine, so for a longer pause it is put back into the queue."""
MAX_PAUSE = 3600.0
"""Seconds that a destination may ask for at most: a day's pause would be taken for a stuck sync."""
FEW = 20
"""With fewer requests left than this they are spread: as many as can be under way at a time."""
MAX_SPACING = 5.0
"""Seconds between two requests at most while they are spread: a run makes three or more."""
PROBE_SPACING = 0.25
"""Seconds between two requests after a refusal, until one is accepted: all that have waited going
at once would all be refused again."""
FIRST_PAUSE = 1.0
"""Seconds of the first pause, at most, if the destination names none; twice as many each time."""
LONGEST_GROWN_PAUSE = 60.0
_TOLD_WAIT = 1.0
"""Shorter waits, in seconds, are not worth a line of the log."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_PARAMETER = re.compile(r"(?<![\w-])(remaining|reset|r|t)\s*=\s*(\d{1,12})(?![\w.])", re.IGNORECASE)


class Paused(RateLimited):
    """The connection may not send for longer than a request waits; the request was not sent."""


class Pacer:
    """Lets the requests of one connection pass, one after the other if the destination asks for it.

    It waits for nothing as long as the destination does not complain. It learns from each answer:

    - 429, and 503 with `Retry-After`: nobody sends before the time that is named. If none is, the
      pause grows with each refusal until a request is accepted.
    - Header `RateLimit`, or `<Vendor>-RateLimit` such as `Octopus-RateLimit: r=7;t=18`, in the form
      of the IETF draft "RateLimit header fields for HTTP": few requests that are left are spread
      over the time to the reset; if none is left, nobody sends until then.

    Args:
        owner: who is paced, for the log.
        max_wait: seconds that a request waits for its turn at most.
        clock: returns seconds that never go back.
        sleep: waits for so many of them.
        now: returns the present time, for a `Retry-After` that is a date.
        rng: the source of chance.
    """

    def __init__(
        self,
        owner: str,
        max_wait: float = MAX_WAIT,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self._owner = owner
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311  jitter, not a secret
        # Whoever waits stands in line: only the first looks at the clock.
        self._line = asyncio.Lock()
        self._in_flight = 0
        self._last_turn = -math.inf
        self._resumes = -math.inf
        self._spread = 0.0
        self._spread_ends = -math.inf
        self._refusals = 0
        self._refused_at = -math.inf

    @property
    def pause(self) -> float:
        """Seconds for which nobody may send, 0 if there is no pause."""
        return max(0.0, self._resumes - self._clock())

    async def turn(self) -> None:
        """Wait until the connection may send; at once if nothing stands against it.

        Raises:
            Paused: that would take longer than a request waits.
        """
        begun = self._clock()
        async with self._line:
            while left := self._left():
                if self._clock() - begun + left > self._max_wait:
                    raise Paused(
                        "The destination asked for fewer requests, so this connection sends no"
                        f" further one for {math.ceil(left)} s.",
                        retry_after=left,
                    )
                await self._sleep(left)
            self._last_turn = self._clock()
        waited = self._last_turn - begun
        if waited >= _TOLD_WAIT:
            log.info("%s: a request has waited %.1f s for its turn", self._owner, waited)

    async def exchange(self, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Send a request whose turn it is, and learn from the answer's status and headers."""
        sent_at = self._clock()
        self._in_flight += 1
        try:
            response = await send()
        finally:
            self._in_flight -= 1
        self._learn(sent_at, response)
        return response

    def _left(self) -> float:
        """Return the seconds to the next turn, to the millisecond; 0 if it is now."""
        now = self._clock()
        spacing = self._spread if now < self._spread_ends else 0.0
        if self._refusals:
            spacing = max(spacing, PROBE_SPACING)
        return max(0.0, round(max(self._resumes, self._last_turn + spacing) - now, 3))

    def _learn(self, sent_at: float, response: httpx.Response) -> None:
        status = response.status_code
        asked = retry_after(response.headers, self._now()) or 0.0
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and asked
        ):
            # `Retry-After` goes before: a bucket that is full again at the reset may have room for
            # the next request long before.
            self._refused(sent_at, status, asked or exhausted_for(response.headers))
            return
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and sent_at > self._refused_at:
            self._refusals = 0
        self._heed(limits(response.headers))

    def _refused(self, sent_at: float, status: int, asked: float) -> None:
        """Pause, having been refused.

        Args:
            sent_at: when the request was sent. Of several that were under way together, only the
                first one's refusal lets the pause grow.
            status: of the answer.
            asked: seconds that the destination named, 0 if it named none.
        """
        is_news = sent_at > self._refused_at
        self._refused_at = self._clock()
        self._refusals += is_news
        if not asked and is_news:
            longest = min(LONGEST_GROWN_PAUSE, FIRST_PAUSE * 2.0 ** min(self._refusals - 1, 30))
            asked = longest / 2 + self._rng.uniform(0, longest / 2)
        self._rest(asked)
        if is_news:
            log.warning(
                "%s: the destination asks for fewer requests (%d), so none is sent for %.1f s",
                self._owner,
                status,
                self.pause,
            )

    def _heed(self, told: list[tuple[int, float]]) -> None:
        """Pause or spread what is left, as the header says; without one all stays as it was."""
        if not told:
            return
        spreads = [(0.0, 0.0)]
        for remaining, reset in told:
            if remaining == 0:
                self._rest(reset)
            elif remaining < FEW:
                # Those under way may be among those that are left.
                left = max(1, remaining - self._in_flight)
                spreads.append((min(reset / left, MAX_SPACING), reset))
        self._spread, reset = max(spreads)
        self._spread_ends = self._clock() + min(reset, MAX_PAUSE)

    def _rest(self, seconds: float) -> None:
        self._resumes = max(self._resumes, self._clock() + min(seconds, MAX_PAUSE))


def limits(headers: httpx.Headers) -> list[tuple[int, float]]:
    """Return (requests left, seconds to the reset) for each limit that an answer tells of.

    Read leniently, since the draft has changed: `r=7;t=18`, `"default";r=7;t=18` with any number of
    limits in a list, and `limit=200, remaining=7, reset=18`.
    """
    found = []
    for name, value in headers.multi_items():
        if name.lower() != "ratelimit" and not name.lower().endswith("-ratelimit"):
            continue
        one: dict[str, int] = {}
        for parameter, number in _PARAMETER.findall(_QUOTED.sub("", value)):
            kind = {"remaining": "r", "reset": "t"}.get(parameter.lower(), parameter.lower())
            if kind in one:
                one.clear()
            one[kind] = int(number)
            if len(one) == 2:  # noqa: PLR2004  both are there
                found.append((one["r"], float(one["t"])))
                one.clear()
    return found


def exhausted_for(headers: httpx.Headers) -> float:
    """Return the seconds until a limit of which nothing is left is reset; 0 if there is none."""
    return max((reset for remaining, reset in limits(headers) if not remaining), default=0.0)
