"""The closed set of errors that an adapter raises; the engine alone decides about retries."""

from collections.abc import Mapping
from typing import ClassVar


class AdapterError(Exception):
    """Base of every error that an adapter may raise.

    Args:
        message: what happened, in the destination's own words where it has any. It reaches users:
            it must never hold a secret value or a credential.
        hint: one sentence that says what to do about it, or None.

    Attributes:
        transient: whether the same request may pass later; fixed by the class.
    """

    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AuthenticationFailed(AdapterError):  # noqa: N818  the names are the contract's
    """The credentials are wrong, expired or revoked. Terminal."""


class PermissionDenied(AdapterError):  # noqa: N818
    """The credentials are valid, and lack a permission. Terminal."""


class NotFound(AdapterError):  # noqa: N818
    """Something that the configuration names does not exist there. Terminal.

    Args:
        message: see `AdapterError`.
        field: the configuration field that names it, e.g. `projectId`, or None.
        hint: see `AdapterError`.
    """

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field


class Conflict(AdapterError):  # noqa: N818
    """Somebody else changed the destination meanwhile, more often than the adapter re-merges."""

    transient = True


class RateLimited(AdapterError):  # noqa: N818
    """The destination asks to be called less often.

    Args:
        message: see `AdapterError`.
        retry_after: seconds to wait before the next call, or None if the destination named none.
        hint: see `AdapterError`.
    """

    transient = True

    def __init__(
        self, message: str, *, retry_after: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Unavailable(AdapterError):  # noqa: N818
    """The destination cannot be reached or is out of order at the moment.

    Args:
        message: see `AdapterError`.
        retry_after: seconds to wait before the next call, or None if the destination named none.
        hint: see `AdapterError`.
    """

    transient = True

    def __init__(
        self, message: str, *, retry_after: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class InvalidConfig(AdapterError):  # noqa: N818
    """The configuration, credentials or secrets break a rule of the destination. Terminal.

    Args:
        message: see `AdapterError`.
        violations: per field (a dotted path such as `scopeValues.environments`) what is wrong with
            it and how to mend it. All violations at once, never only the first.
        hint: see `AdapterError`.
    """

    def __init__(
        self,
        message: str,
        *,
        violations: Mapping[str, str] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.violations = dict(violations or {})


class Unsupported(AdapterError):  # noqa: N818
    """The destination does not offer what was asked for. Terminal."""
