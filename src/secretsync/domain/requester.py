"""Who a call says that it is from, for as long as it is being answered.

There is no authentication yet, so it is what the caller declares, and nobody has verified it. It is
known in the call's own context, and in the transactions that it begins there.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

from secretsync.domain.problems import Violations

METADATA_KEY = "x-secretsync-requester"
"""The key of a call's metadata that declares it."""
MAX_REQUESTER = 128

_requester: ContextVar[str] = ContextVar("requester", default="")


def requester() -> str:
    """Return who the present call says that it is from; empty if it does not, or there is none."""
    return _requester.get()


@contextlib.contextmanager
def asked_by(declared: str) -> Iterator[None]:
    """Let what is done meanwhile be asked for by somebody; see `check_requester`."""
    token = _requester.set(declared)
    try:
        yield
    finally:
        _requester.reset(token)


def check_requester(declared: Sequence[str | bytes]) -> str:
    """Return who a call says that it is from.

    Args:
        declared: the values of `METADATA_KEY` in its metadata.

    Raises:
        Problem: INVALID_ARGUMENT, if there are several, or it breaks the rule.
    """
    violations = Violations()
    if len(declared) > 1:
        violations.add(f"metadata.{METADATA_KEY}", "must be given once at most")
    text = str(declared[0]) if declared else ""
    violations.check(f"metadata.{METADATA_KEY}", requester_complaint(text))
    violations.raise_if_any()
    return text


def requester_complaint(text: str) -> str | None:
    """Return what is wrong with a requester, or None."""
    if len(text) > MAX_REQUESTER or not (text.isascii() and text.isprintable()):
        return f"must be at most {MAX_REQUESTER} printable ASCII characters, e.g. ann@example.com"
    return None
