"""Rules of pauses: what each one holds, and what it tells those who wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from secretsync.domain.entities import Connection, SecretSync
from secretsync.domain.problems import Code, Problem, Reason

EVERYTHING = "-"
"""The name of the pause that holds all syncs (https://google.aip.dev/159)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Holds the runs of a sync, of all syncs of a connection, or of everything.

    `name` is the name of what is paused, or `EVERYTHING`; one of the two uids, or none, says the
    same to the store.
    """

    name: str
    sync_uid: str | None = None
    connection_uid: str | None = None
    reason: str = ""
    create_time: datetime

    @property
    def told(self) -> str:
        """What is paused and why, for people."""
        what = "everything" if self.name == EVERYTHING else self.name
        return f"{what} ({self.reason})" if self.reason else what


def names_holding(resource: SecretSync | Connection) -> tuple[str, ...]:
    """Return the names of the pauses that hold a sync, or the syncs of a connection, if set."""
    if isinstance(resource, Connection):
        return (resource.name, EVERYTHING)
    connection = f"projects/{resource.project}/connections/{resource.connection}"
    return (resource.name, connection, EVERYTHING)


def holding(resource: SecretSync | Connection, found: Mapping[str, Pause]) -> tuple[Pause, ...]:
    """Return the pauses that hold a sync, or the syncs of a connection, the narrowest first.

    Args:
        resource: the sync or connection.
        found: pauses by name, those of `names_holding` among them.
    """
    return tuple(found[name] for name in names_holding(resource) if name in found)


def waits_for(pauses: Sequence[Pause]) -> str:
    """Return what a held run waits for, for people."""
    told = " and ".join(pause.told for pause in pauses)
    return f"waits until {told} {'is' if len(pauses) == 1 else 'are'} resumed"


def paused(sync: SecretSync, pauses: Sequence[Pause], consequence: str) -> Problem:
    """Return the problem of asking for what would wait for a resume.

    Args:
        sync: the sync.
        pauses: what holds it.
        consequence: what that means for what was asked for, for people.
    """
    told = " and ".join(pause.told for pause in pauses)
    return Problem(
        Code.FAILED_PRECONDITION,
        Reason.PAUSED,
        f"{sync.name} is held, because {told} {'is' if len(pauses) == 1 else 'are'} paused:"
        f" {consequence}",
        metadata={"resource": sync.name, "pauses": ", ".join(pause.name for pause in pauses)},
    )
