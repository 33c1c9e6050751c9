"""Faults at every step of a run: which there are, where they strike, and what they have struck."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from secretsync.adapter import AuthenticationFailed, Conflict, RateLimited, Unavailable
from secretsync.store.errors import DiskError
from secretsync.store.protocol import StorageFullError

A_WHILE = 20
"""Turns of the event loop for which a caller hangs, who would otherwise wait for himself."""
STORE_POINTS = ("claim", "intent", "finish", "renew", "release", "change", "due")
"""Transactions that write, by what they are for."""
READ_POINTS = ("read",)
"""The transaction in which a run reads what it works with."""
REMOTE_POINTS = ("begin", "write", "written")
"""Calls of the destination: before it is read, between the intent and the write, and after it."""

STORE_KINDS = ("full", "broken", "die before", "die after", "stall before", "stall after")
READ_KINDS = ("broken", "die before", "stall before")
REMOTE_KINDS = (
    "unavailable",
    "rate limited",
    "credentials refused",
    "bug",
    "conflict",
    "die",
    "stall",
    "lease lapses",
    "clock set back",
    "somebody writes",
    "cancelled",
    "triggered",
    "disabled",
    "paused",
)
"""What the destination answers, what befalls the process, and what somebody does meanwhile."""
RAISED = {
    "unavailable": lambda: Unavailable("it is down"),
    "rate limited": lambda: RateLimited("slower", retry_after=90.0),
    "credentials refused": lambda: AuthenticationFailed("who are you"),
    "bug": lambda: RuntimeError("a bug of the adapter"),
    "conflict": lambda: Conflict("somebody was faster"),
}
FAULTS = [
    *((point, kind) for point in STORE_POINTS for kind in STORE_KINDS),
    *((point, kind) for point in READ_POINTS for kind in READ_KINDS),
    *((point, kind) for point in REMOTE_POINTS for kind in REMOTE_KINDS),
]


class DeadError(BaseException):
    """Nothing of a process that was killed goes on; no `except Exception` may catch this."""


@dataclass
class Fault:
    """One that waits for its step: the one after `skip` others of its kind."""

    point: str
    kind: str
    skip: int = 0


class Nemesis:
    """Strikes where a program says.

    Attributes:
        killed: set when the process is to die; what waits for it then never goes on.
        struck: how often each fault has struck.
        in_a_hurry: whether nobody may stall, since somebody waits for all to stop.
    """

    def __init__(self, struck: Counter[str]) -> None:
        self.killed = asyncio.Event()
        self.struck = struck
        self._armed: list[Fault] = []
        self._stalled: list[asyncio.Event] = []
        self.in_a_hurry = False
        self._is_over = False

    def arm(self, fault: Fault) -> None:
        """Let a fault wait for its step."""
        self._armed.append(fault)

    def disarm(self) -> None:
        """Forget the faults that have not struck, and let go of who stalls, from now on."""
        self._armed.clear()
        self._is_over = True
        self.let_go()

    def let_go(self) -> None:
        """Let everybody go on who stalls, however much time has passed."""
        for gate in self._stalled:
            gate.set()
        self._stalled.clear()

    def at(self, point: str) -> str:
        """Return what strikes at this step; empty for nothing."""
        for fault in self._armed:
            if fault.point == point:
                if fault.skip:
                    fault.skip -= 1
                    return ""
                self._armed.remove(fault)
                self.struck[f"{point}: {fault.kind}"] += 1
                return fault.kind
        return ""

    async def stall(self) -> None:
        """Hang until somebody lets go."""
        if self._is_over or self.in_a_hurry:
            return
        gate = asyncio.Event()
        self._stalled.append(gate)
        await gate.wait()

    async def die(self) -> None:
        """Let the process die here; does not return."""
        self.killed.set()
        await asyncio.Event().wait()

    async def before_write(self, kind: str, *, is_awaited: bool = False) -> None:
        """Do what strikes before a transaction; `is_awaited` by whoever could let go of it."""
        if kind == "full":
            raise StorageFullError("the disk is full")
        if kind == "broken":
            raise DiskError("the disk failed")
        if kind == "die before":
            await self.die()
        if kind == "stall before":
            await self._stall(is_awaited=is_awaited)

    async def after_write(self, kind: str, *, is_awaited: bool = False) -> None:
        """Do what strikes once a transaction is on disk, and nobody has been told."""
        if kind == "die after":
            await self.die()
        if kind == "stall after":
            await self._stall(is_awaited=is_awaited)

    async def _stall(self, *, is_awaited: bool) -> None:
        if not is_awaited:
            await self.stall()
        for _ in range(A_WHILE):
            await asyncio.sleep(0)
