"""Warns of variables that a project keeps in Git under the name and scope of a sync's own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secretsync.adapter import AdapterError
from secretsync_octopus_deploy.client import OctopusClient
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.texts import listed

REMEMBERED = 24 * 3600.0
"""Seconds for which it is remembered where a project keeps its variables. People move them to Git
once, so that it hardly ever changes, and never back."""
MAX_REMEMBERED = 1000
MAX_BRANCH_LENGTH = 255

_UNKNOWN = (
    "It could not be checked whether the project has variables of the same name and scope in Git"
)


@dataclass(frozen=True, slots=True)
class GitHome:
    """Where a project keeps its variables other than sensitive ones.

    Attributes:
        in_git: whether they are in Git; otherwise they are in the database with the others.
        branch: the project's default branch; empty if they are not in Git, or it is not told in a
            form that can be asked for.
    """

    in_git: bool
    branch: str = ""

    @classmethod
    def of(cls, project: Mapping[str, Any]) -> "GitHome":
        """Return what a project says (C# client, `GitPersistenceSettingsResource`).

        A project that came into Git before its variables could says so in `ConversionState`.
        """
        settings = project.get("PersistenceSettings")
        if not isinstance(settings, dict) or settings.get("Type") != "VersionControlled":
            return cls(in_git=False)
        state = settings.get("ConversionState")
        if not isinstance(state, dict) or state.get("VariablesAreInGit") is not True:
            return cls(in_git=False)
        return cls(in_git=True, branch=_usable_branch(settings.get("DefaultBranch")))


def _usable_branch(told: object) -> str:
    # It becomes part of a path: halves of surrogate pairs, for one, have no place there.
    is_usable = isinstance(told, str) and told.isprintable() and len(told) <= MAX_BRANCH_LENGTH
    return str(told) if is_usable else ""


class GitMemory:
    """Remembers for a while where projects keep their variables, so that runs need not ask.

    Args:
        clock: returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._homes: dict[tuple[str, str, str], tuple[float, GitHome]] = {}

    def remember(self, server: str, config: OctopusConfig, home: GitHome) -> None:
        """Remember a project, and forget the one that was noted first if there are too many.

        Args:
            server: the server's address.
            config: names the project.
            home: where it keeps its variables.
        """
        key = (server, config.space_id, config.owner_id)
        self._homes.pop(key, None)
        self._homes[key] = (self._clock(), home)
        if len(self._homes) > MAX_REMEMBERED:
            self._homes.pop(next(iter(self._homes)))

    def recall(self, server: str, config: OctopusConfig) -> GitHome | None:
        """Return what is remembered of a project; None if nothing is, or not any more."""
        noted, home = self._homes.get((server, config.space_id, config.owner_id), (0.0, None))
        return home if home and self._clock() - noted < REMEMBERED else None


PROJECTS = GitMemory()
"""What this process knows of projects."""


def note_home(client: OctopusClient, config: OctopusConfig, project: Mapping[str, Any]) -> GitHome:
    """Return where a project keeps its variables, and remember it.

    Args:
        client: of the server that has the project.
        config: names the project.
        project: the project as the server sent it.
    """
    home = GitHome.of(project)
    PROJECTS.remember(client.base_url, config, home)
    return home


async def git_warnings(
    client: OctopusClient, config: OctopusConfig, names: Mapping[str, str]
) -> tuple[str, ...]:
    """Return a warning if variables of the same name and scope as a sync's own are in Git.

    Trouble with that is a warning too: what the sync writes is in the database in any case.

    Args:
        client: asks the server, for what is not remembered.
        config: names the project or library variable set; those are never in Git.
        names: the names of the sync's variables by identity.
    """
    if config.is_library or not names:
        return ()
    home = PROJECTS.recall(client.base_url, config)
    try:
        if home is None:
            home = note_home(client, config, await client.get_owner(config))
        if not home.in_git:
            return ()
        if not home.branch:
            return (f"{_UNKNOWN}: Octopus tells no usable name of its default branch.",)
        rows = (await client.read_git_set(config, home.branch)).rows_by_identity()
    except AdapterError as error:
        return (f"{_UNKNOWN}: {error.message}",)
    found = [name for identity, name in names.items() if identity in rows]
    if not found:
        return ()
    warning = (
        "The project also has variables of these names, with the same scope, in Git (branch"
        f" {client.shown(home.branch)}): {listed(found)}. Which of the two a deployment sees is not"
        " defined: remove those in Git."
    )
    return (warning,)
