"""The one exception that carries a clear answer to the caller, and its stable reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """The canonical codes in use (https://grpc.io/docs/guides/status-codes/)."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class Reason(StrEnum):
    """Stable reasons; `ErrorReason` in the API says what each means."""

    INVALID_FIELDS = "INVALID_FIELDS"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    RESOURCE_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
    RESOURCE_IN_USE = "RESOURCE_IN_USE"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    UNSUPPORTED = "UNSUPPORTED"
    DESTINATION_NOT_LOADED = "DESTINATION_NOT_LOADED"
    SYNC_DISABLED = "SYNC_DISABLED"
    SECRETS_LEFT_BEHIND = "SECRETS_LEFT_BEHIND"
    IMPORT_CYCLE = "IMPORT_CYCLE"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    DESTINATION_PERMISSION_DENIED = "DESTINATION_PERMISSION_DENIED"
    DESTINATION_NOT_FOUND = "DESTINATION_NOT_FOUND"
    DESTINATION_CONFIG_INVALID = "DESTINATION_CONFIG_INVALID"
    RATE_LIMITED = "RATE_LIMITED"
    DESTINATION_UNAVAILABLE = "DESTINATION_UNAVAILABLE"
    DESTINATION_CONFLICT = "DESTINATION_CONFLICT"
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    SOURCE_UNRESOLVED = "SOURCE_UNRESOLVED"
    DUPLICATE_SECRETS = "DUPLICATE_SECRETS"
    SUPERSEDED = "SUPERSEDED"
    REMOVAL_FAILED = "REMOVAL_FAILED"
    STORAGE_FULL = "STORAGE_FULL"
    INTERNAL = "INTERNAL"
    CANCELLED = "CANCELLED"
    RUN_ENDED = "RUN_ENDED"
    GUARD_TRIPPED = "GUARD_TRIPPED"
    PLAN_OUTDATED = "PLAN_OUTDATED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    SYNC_OVERLAP = "SYNC_OVERLAP"
    PAUSED = "PAUSED"
    KEYS_FAILED = "KEYS_FAILED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    TOO_MANY_WATCHERS = "TOO_MANY_WATCHERS"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    CLEAN_UP_FAILED = "CLEAN_UP_FAILED"


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks a rule.

    Attributes:
        field: path of the field in the request, e.g. `secret_sync.sync_options.key_schema`.
        description: the rule and how to mend it, one sentence; never a secret value.
    """

    field: str
    description: str


class Problem(Exception):  # noqa: N818  it is an answer as much as an error
    """A request or run that cannot be carried out, in words for whoever asked.

    Args:
        code: the canonical code.
        reason: the stable reason.
        message: one or two sentences for people; never a secret value or credential.
        violations: all fields that break a rule.
        metadata: short facts for programs, as documented at the reason.
        retry_after: seconds after which another try makes sense, or None.
    """

    def __init__(
        self,
        code: Code,
        reason: Reason,
        message: str,
        *,
        violations: Sequence[Violation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after


def invalid(violations: Sequence[Violation]) -> Problem:
    """Return the INVALID_ARGUMENT problem that reports these violations together."""
    told = "; ".join(f"{v.field}: {v.description}" for v in violations)
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_FIELDS,
        f"invalid request: {told}",
        violations=violations,
    )


def not_found(resource: str, message: str | None = None) -> Problem:
    """Return the NOT_FOUND problem for a resource name."""
    return Problem(
        Code.NOT_FOUND,
        Reason.RESOURCE_NOT_FOUND,
        message or f"{resource} does not exist",
        metadata={"resource": resource},
    )


def already_exists(resource: str) -> Problem:
    """Return the ALREADY_EXISTS problem for a resource name."""
    return Problem(
        Code.ALREADY_EXISTS,
        Reason.RESOURCE_ALREADY_EXISTS,
        f"{resource} exists already: choose another id or update it",
        metadata={"resource": resource},
    )


def in_use(resource: str, message: str, users: Sequence[str]) -> Problem:
    """Return the FAILED_PRECONDITION problem for a resource that others use.

    Args:
        resource: name of the resource that was to be deleted.
        message: what uses it and what to do, for people.
        users: names of the resources that use it; the first ten are told.
    """
    return Problem(
        Code.FAILED_PRECONDITION,
        Reason.RESOURCE_IN_USE,
        message,
        metadata={"resource": resource, "users": ", ".join(users[:10])},
    )


class Violations:
    """Collects violations, so that all of a request are reported together."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        """Note a violation."""
        self._found.append(Violation(field, description))

    def check(self, field: str, complaint: str | None) -> None:
        """Note a violation if a rule returned a complaint."""
        if complaint is not None:
            self.add(field, complaint)

    def raise_if_any(self) -> None:
        """Raise `Problem` INVALID_ARGUMENT with everything noted so far, if there is anything."""
        if self._found:
            raise invalid(self._found)
