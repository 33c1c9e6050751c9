"""Turns pauses into words for people."""

from collections.abc import Iterable, Sequence, Sized

from secretsync.cli.errors import CliError
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.words import time_and_age
from secretsync.v1.pause_pb2 import Pause

EVERYTHING = "-"
"""The name of the pause of everything."""


def what_text(pause: Pause) -> str:
    """Return what is paused."""
    return "everything" if pause.name == EVERYTHING else pause.name


def paused_text(pause: Pause) -> str:
    """Return what is paused, since when, and why."""
    words = f"{what_text(pause)}, {time_and_age(pause.create_time)}"
    return f"{words}: {pause.reason}" if pause.reason else words


def pause_fields(pauses: Iterable[Pause]) -> list[tuple[str, str]]:
    """Return the lines about what holds a sync or connection; none if nothing does."""
    return [("Paused", paused_text(pause)) for pause in pauses]


def check_not_paused(pauses: Sequence[Pause], run: str) -> None:
    """Say that it is no use to wait for a run, if pauses hold it.

    Args:
        pauses: those that hold it.
        run: its name.

    Raises:
        CliError: there is one.
    """
    if pauses:
        told = " and ".join(what_text(pause) for pause in pauses)
        raise CliError(
            f"{run} is queued and waits for a resume: {told} {_are(pauses)} paused",
            ExitCode.CONFLICT,
            reason="PAUSED",
            hint="`secretsync pause list` tells why; the run starts after `secretsync resume`",
        )


def _are(pauses: Sized) -> str:
    return "is" if len(pauses) == 1 else "are"
