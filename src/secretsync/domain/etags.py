"""Etags: they change with every change of a resource (https://google.aip.dev/154)."""

import hashlib
from typing import Protocol

from secretsync.domain.problems import Code, Problem, Reason


class Versioned(Protocol):
    """A resource with a version that counts its changes."""

    @property
    def uid(self) -> str:  # noqa: D102
        ...
    @property
    def version(self) -> int:  # noqa: D102
        ...
    @property
    def name(self) -> str:  # noqa: D102
        ...


def etag_of(resource: Versioned) -> str:
    """Return the resource's etag, opaque to clients."""
    return hashlib.sha256(f"{resource.uid}/{resource.version}".encode()).hexdigest()[:24]


def check_etag(resource: Versioned, etag: str) -> None:
    """Check that a change is based on the present resource; an empty etag always is.

    Raises:
        Problem: ABORTED.
    """
    if etag and etag != etag_of(resource):
        raise Problem(
            Code.ABORTED,
            Reason.ETAG_MISMATCH,
            f"{resource.name} was changed meanwhile: read it again and decide anew",
            metadata={"resource": resource.name},
        )
