"""The table of pauses, as the rest of secretsync sees it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from secretsync.domain.pauses import Pause


class PauseTable(Protocol):
    """Pauses by name. One ends with the sync or connection that it is for."""

    def put(self, pause: Pause) -> None:
        """Insert it, or give the one of its name its reason."""
        ...

    def delete(self, name: str) -> None:
        """Delete it; one that is not there does not matter."""
        ...

    def named(self, names: Iterable[str]) -> Mapping[str, Pause]:
        """Return those of the names that exist, by name; any number of names."""
        ...

    def list(self, after: str, limit: int) -> Sequence[Pause]:
        """Return those whose name is greater than `after`, in ascending order."""
        ...
