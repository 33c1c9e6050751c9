"""Tells from a request's headers who is calling, as Octopus's API keys do."""

import hmac
import re
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers

from secretsync_octopus_deploy.sandbox.errors import bad_key, no_credentials

KEY_PATTERN = re.compile(r"API-[A-Z0-9]+")
KEY_HEADER = "X-Octopus-ApiKey"

Access = Literal["full", "read-only"]


@dataclass(frozen=True, slots=True, repr=False)
class ApiKeys:
    """The keys that the server knows; all but `full` may be None.

    Raises:
        ValueError: A key does not look like one, or two are the same. No key is quoted.
    """

    full: str
    read_only: str | None = None
    expired: str | None = None

    def __post_init__(self) -> None:
        """Check the keys."""
        given = [key for key in (self.full, self.read_only, self.expired) if key is not None]
        if not all(KEY_PATTERN.fullmatch(key) for key in given):
            raise ValueError("an API key is `API-` followed by capital letters and digits")
        if len(set(given)) != len(given):
            raise ValueError("the API keys must differ from one another")

    def access_of(self, headers: Headers) -> Access:
        """Return what the key in `headers` allows.

        Raises:
            OctopusError: 401 without a key, and with one that is unknown or expired.
        """
        sent = headers.get(KEY_HEADER)
        if not sent:
            raise no_credentials()
        if _same(sent, self.full):
            return "full"
        if self.read_only is not None and _same(sent, self.read_only):
            return "read-only"
        raise bad_key()


def _same(sent: str, known: str) -> bool:
    """Compare two keys in a time that does not depend on where they differ."""
    return hmac.compare_digest(sent.encode(), known.encode())
