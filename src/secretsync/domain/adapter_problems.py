"""What each error of an adapter means to a caller and to a run."""

import math
from collections.abc import Collection, Mapping

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    Unsupported,
)
from secretsync.domain.problems import Code, Problem, Reason, Violation

MAX_RETRY_AFTER = 86400.0
"""A destination that asks for a longer pause, in seconds, is asked again after a day."""

_MEANINGS: dict[type[AdapterError], tuple[Code, Reason]] = {
    AuthenticationFailed: (Code.FAILED_PRECONDITION, Reason.AUTHENTICATION_FAILED),
    PermissionDenied: (Code.FAILED_PRECONDITION, Reason.DESTINATION_PERMISSION_DENIED),
    NotFound: (Code.FAILED_PRECONDITION, Reason.DESTINATION_NOT_FOUND),
    Conflict: (Code.ABORTED, Reason.DESTINATION_CONFLICT),
    RateLimited: (Code.UNAVAILABLE, Reason.RATE_LIMITED),
    Unavailable: (Code.UNAVAILABLE, Reason.DESTINATION_UNAVAILABLE),
    InvalidConfig: (Code.INVALID_ARGUMENT, Reason.DESTINATION_CONFIG_INVALID),
    Unsupported: (Code.FAILED_PRECONDITION, Reason.UNSUPPORTED),
}


def problem_from(
    error: AdapterError,
    *,
    config_field: str = "",
    credentials_field: str = "",
    credential_names: Collection[str] = (),
) -> Problem:
    """Return the problem that tells of an adapter's error.

    Args:
        error: what the adapter raised.
        config_field: path of the configuration or the credentials in the request, e.g.
            `secret_sync.destination_config`; the adapter's own field names follow it.
        credentials_field: what names the credentials in a request that does not hold them, e.g.
            `secret_sync.connection`.
        credential_names: the adapter's names that belong to the credentials then.
    """
    code, reason = next(
        (meaning for kind, meaning in _MEANINGS.items() if isinstance(error, kind)),
        (Code.INTERNAL, Reason.INTERNAL),
    )
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return Problem(
        code,
        reason,
        message,
        violations=[
            Violation(credentials_field, f"{name}: {rule}")
            if name in credential_names
            else Violation(f"{config_field}.{name}" if config_field else name, rule)
            for name, rule in _violated(error).items()
        ],
        retry_after=_retry_after(error),
    )


def _retry_after(error: AdapterError) -> float | None:
    """Return the seconds that a destination asks for, within what a queue can wait."""
    if not isinstance(error, RateLimited | Unavailable):
        return None
    seconds = error.retry_after
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _violated(error: AdapterError) -> Mapping[str, str]:
    """Return the adapter's field names, with what is wrong with each."""
    if isinstance(error, InvalidConfig):
        return error.violations
    if isinstance(error, NotFound) and error.field:
        return {error.field: error.message}
    return {}
