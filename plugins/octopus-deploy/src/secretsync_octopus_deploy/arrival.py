"""Waits for writes that were sent, and of which nobody knows yet whether they take place."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from secretsync.adapter import RunRequest
from secretsync_octopus_deploy.ownership import DOUBTED
from secretsync_octopus_deploy.variable_set import VariableSet

SETTLE = 5.0
"""Seconds within which a write that was sent takes place, if it ever does. A change of the set that
is just what such a write was to do is taken for it if it is seen within that time."""


def time_left(request: RunRequest, current: VariableSet) -> float:
    """Return the seconds that a write of a process that died still has to arrive, 0 if none.

    Args:
        request: has the intents of such writes, and how long ago they were about to be sent.
        current: the set as it is now. A write that was based on another version is refused, or has
            taken place.
    """
    is_awaited = any(
        not entry.confirmed and entry.version == current.version_text and entry.digest != DOUBTED
        for entry in request.ledger
    )
    # A clock that was set back must not make anybody wait for longer.
    age = max(request.written_from.get(current.version_text, math.inf), 0.0)
    return max(SETTLE - age, 0.0) if is_awaited else 0.0


async def change_of(
    current: VariableSet, read: Callable[[], Awaitable[VariableSet]], patience: float
) -> VariableSet | None:
    """Return the set as soon as it has another version, or None if it keeps it.

    Args:
        current: the set as it is.
        read: reads it again.
        patience: seconds to wait at most.
    """
    end = time.monotonic() + patience
    pause = SETTLE / 20
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        pause *= 2
        after = await read()
        if after.version != current.version:
            return after
    return None
