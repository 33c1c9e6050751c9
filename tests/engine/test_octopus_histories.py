"""Random histories: after each quiet point all is as wanted, and what is foreign is untouched."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from octopus_machine import History
from octopus_stack import Eavesdropper, Stack
from octopus_wire import Wire

from secretsync.engine.pacing import Pacer
from secretsync_octopus_deploy import arrival, runs

STEPS = 25
# A fixed seed where others wait for the result, and a new one each night.
settings.register_profile(
    "ci", max_examples=200, derandomize=True, database=None, stateful_step_count=STEPS
)
settings.register_profile(
    "nightly", max_examples=2500, database=None, print_blob=True, stateful_step_count=STEPS
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
MET = {
    "another sync's row",
    "copies",
    "created",
    "deleted by a first run for its name",
    "emptied",
    "fault: answer 400",
    "fault: answer 409",
    "fault: answer 500",
    "fault: answer 502",
    "fault: answer 503",
    "fault: answer rate_limit",
    "fault: answer truncated_json",
    "fault: crash-after",
    "fault: crash-before",
    "fault: cut-after",
    "fault: cut-before",
    "fault: edit-after",
    "fault: edit-before",
    "fault: late",
    "fault: swallow",
    "late write arrived",
    "left to others",
    "leftover",
    "made sensitive",
    "refused: claimed",
    "refused: type",
    "remembered, because it is gone or hidden",
    "removal succeeded",
    "sync died",
    "sync failed: DUPLICATE_SECRETS",
    "taken over",
    "unsettled, taken back",
}
"""What every profile must have met: a rule that is never put to the test proves nothing."""


class Ticks:
    """A clock that goes on when it is looked at, so that every history repeats exactly."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += arrival.SETTLE / 6
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def ear() -> Iterator[Eavesdropper]:
    handler = Eavesdropper()
    logger = logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The transport of every pool, with the plugin's pauses cut short."""
    made = Wire()
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", lambda **_: made)
    monkeypatch.setattr(runs, "FIRST_PAUSE", 0.0005)
    monkeypatch.setattr(arrival, "SETTLE", 0.01)
    monkeypatch.setattr(arrival, "time", Ticks())
    # The pauses that a destination asks for pass at once.
    ticks = Ticks()
    defaults = Pacer.__init__.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "clock", ticks.monotonic)
    monkeypatch.setitem(defaults, "sleep", ticks.sleep)
    return made


# Measured for coverage, it would take several times as long; other tests cover the same code.
@pytest.mark.long
@pytest.mark.no_cover
@pytest.mark.timeout(1200 if PROFILE == "ci" else 4 * 3600)
def test_histories(tmp_path: Path, wire: Wire, ear: Eavesdropper) -> None:
    with asyncio.Runner() as runner:
        stack = runner.run(Stack.open(tmp_path, wire))
        History.stack, History.runner, History.ear = stack, runner, ear
        History.tally = Counter()
        try:
            run_state_machine_as_test(
                History,
                settings=settings(
                    settings.get_profile(PROFILE),
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.close())
            for what, count in sorted(History.tally.items()):
                print(f"{count:8} {what}")  # noqa: T201  what was put to the test
    assert ear.count > 0
    assert MET - History.tally.keys() == set()
