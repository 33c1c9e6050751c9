"""Random programs of what happens around an engine: changes, events, and faults."""

import random

from proof_faults import FAULTS
from proof_stage import PLACES, SYNCS, Op

IDLE = -1
"""Wait until nothing goes on but waiting, before the next thing happens."""
Program = list[tuple[Op, int]]
PAUSED = [*sorted(SYNCS), "-"]
CLOCK = [1.0, 30.0, 61.0, 61.0, 400.0, 4000.0, -45.0, -5000.0]

COMES_BACK: Program = [
    (("set", "dev", "K", 0), IDLE),
    (("fault", "write", "stall", 0), 0),
    (("set", "dev", "K", 1), IDLE),
    (("set", "dev", "K", 0), 0),
    (("clock", 61.0), IDLE),
    (("let_go",), IDLE),
]
"""A value is on its way when the one before is wanted again, which is still there."""


def program_of(seed: int, number: int) -> Program:
    """Return what happens in an execution; the same for the same arguments.

    Args:
        seed: the source of chance of all executions.
        number: of the execution. Each fault is the first of one execution in `len(FAULTS)`.
    """
    chance = random.Random(f"{seed} {number}")  # noqa: S311  chance, not a secret
    fault = FAULTS[number % len(FAULTS)]
    if fault == ("write", "stall"):
        return COMES_BACK
    program = _with_fault(chance, *fault)
    for _ in range(chance.randint(4, 20)):
        make = chance.choices([_change, _fault, _event, _move], [4, 3, 3, 1])[0]
        program.append((make(chance), _turns(chance)))
    return program


def _with_fault(chance: random.Random, point: str, kind: str) -> Program:
    """Return steps in which a fault certainly strikes."""
    slug = chance.choice(sorted(SYNCS))
    program: Program = []
    if point == "renew":
        # Only a run that goes on for long renews its lease.
        program = [(("fault", "begin", "stall", 0), 0), (("sync", slug), IDLE)]
    program.append((("fault", point, kind, 0), 0))
    needed: dict[str, Op] = {
        "renew": ("heartbeats",),
        "release": ("restart",),
        "due": ("schedule", slug),
    }
    if point in needed:
        program.append((needed[point], IDLE))
    if point == "due":
        program.append((("clock", 400.0), IDLE))
    # What is to strike at a call of the destination needs something to write there.
    program += [(("set", environment, "M", 0), IDLE) for environment in ("dev", "prod")]
    return program + _sequel(chance, point, kind)


def _sequel(chance: random.Random, point: str, kind: str) -> Program:
    """Return what brings to light whether a fault has left something behind, most of the time."""
    draw = chance.randrange(10)
    if draw == 0:
        return []
    if draw == 1:
        # One key is refused for as long as the run has attempts.
        refused: list[Op] = [("refuse", "L"), ("set", "dev", "L", 0), ("set", "dev", "K", 0)]
        return [(op, IDLE) for op in [*refused, ("clock", 61.0), ("accept",)]]
    program: Program = []
    if kind.startswith("stall") and point not in {"claim", "due"}:
        # The run is claimed anew, and both are at work when the first one goes on.
        program += [(("fault", point, kind, 0), 0), (("clock", 61.0), IDLE)]
        program += [(("heartbeats",), IDLE), (("let_go",), 0)]
    # Nobody wants any more what the attempt has created.
    program += [(("delete", environment, "M"), IDLE) for environment in ("dev", "prod")]
    return program


def _turns(chance: random.Random) -> int:
    """Return how many turns the event loop has until the next thing happens."""
    return chance.choice([0, 1, 3, 8, 20, IDLE, IDLE, IDLE])


def _change(chance: random.Random) -> Op:
    """Return a trigger."""
    key, slug = chance.choice("KLM"), chance.choice(sorted(SYNCS))
    environment = chance.choice(["dev", "dev", "prod"])
    return chance.choice(
        [
            # Few values, so that one comes back that was there before.
            ("set", environment, key, chance.randrange(3)),
            ("set", environment, key, chance.randrange(3)),
            # One is always left: a run that would delete all is held back by a guard.
            ("delete", environment, chance.choice("LM")),
            ("sync", slug),
            ("sync", slug),
            ("remove", slug),
        ]
    )


def _fault(chance: random.Random) -> Op:
    """Return a fault that waits for its step."""
    return ("fault", *chance.choice(FAULTS), chance.choice([0, 0, 0, 1, 2]))


def _move(chance: random.Random) -> Op:
    """Return a change that leads a sync elsewhere, or nowhere else."""
    return ("move", chance.choice(sorted(SYNCS)), chance.choice(PLACES))


def _event(chance: random.Random) -> Op:
    """Return something else that happens."""
    slug = chance.choice(sorted(SYNCS))
    return chance.choice(
        [
            ("cancel", slug),
            ("disable", slug),
            ("enable", slug),
            ("schedule", slug),
            ("pause", chance.choice(PAUSED)),
            ("resume", chance.choice(PAUSED)),
            ("clock", chance.choice(CLOCK)),
            ("clock", chance.choice(CLOCK)),
            ("foreign", chance.choice(PLACES)),
            ("check", slug),
            ("require", slug),
            ("approve", slug),
            ("approve", slug),
            ("refuse", chance.choice("KLM")),
            ("accept",),
            ("let_go",),
            ("let_go",),
            ("heartbeats",),
            ("restart",),
            ("kill",),
        ]
    )
