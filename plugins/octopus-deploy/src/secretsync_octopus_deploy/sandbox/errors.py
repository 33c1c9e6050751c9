"""The error answers of an Octopus server: statuses, body fields and documented texts."""

from collections.abc import Sequence
from typing import Any

NO_CREDENTIALS = (
    "You must be logged in to perform this action. Please provide a valid API key or log in again."
)
# The tail after "please visit:" differs between server versions.
BAD_KEY = (
    "The API key you provided was not valid. Please double-check your API key and try again. "
    "For instructions on finding your API key, please visit: https://oc.to/ApiKey"
)
MISSING_PERMISSION = (
    "You do not have permission to perform this action. "
    "Please contact your Octopus administrator. Missing permission: {permission}"
)
NOT_FOUND = "The resource '{identifier}' was not found."
UNAVAILABLE = "Octopus Server is starting or in maintenance mode. Please try again later."
NULL_REFERENCE = "Object reference not set to an instance of an object."

VERSION_CONFLICTS = {
    "changed": (
        "Changes to these variables could not be saved, because another user has made changes to "
        "the variables between when you started editing and when you saved your changes. "
        "Please reload or open a new tab to make your changes."
    ),
    "scopes": (
        "Changes to these variables could not be saved, because your available environment scopes "
        "changed while you were editing the variables. "
        "Please reload or open a new tab to make your changes."
    ),
    "out_of_date": (
        "Changes to these variables could not be saved, because submitted data was out of date. "
        "Refresh the document and try again."
    ),
}
PROMPTED_SCOPE = "Prompted variables cannot be scoped to anything except an environment."
DUPLICATE_IDS = "Variable ids must be unique."
VALIDATION_FAILED = "Variable validation failed."
FROZEN = "You cannot modify this variable set because the set is frozen."


class OctopusError(Exception):
    """An answer that refuses a request, in the shape of the Octopus REST API.

    Args:
        status: The HTTP status.
        message: `ErrorMessage`.
        errors: `Errors`, one text per violation; None leaves the field out.
        full_exception: `FullException`, which servers send with unexpected failures only.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[str] | None = (),
        full_exception: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors if errors is None else list(errors)
        self.full_exception = full_exception

    def body(self) -> dict[str, Any]:
        """Return the JSON body; `FullException` is there only when there is one."""
        body: dict[str, Any] = {"ErrorMessage": self.message}
        if self.errors is not None:
            body |= {"Errors": self.errors, "ParsedHelpLinks": []}
        if self.full_exception is not None:
            body["FullException"] = self.full_exception
        return body


def no_credentials() -> OctopusError:
    """Return the 401 for a request without an API key."""
    return OctopusError(401, NO_CREDENTIALS)


def bad_key() -> OctopusError:
    """Return the 401 for a wrong key.

    UNVERIFIED: the status, and that an expired key gets the same answer as a wrong one.
    """
    return OctopusError(401, BAD_KEY)


def missing_permission(permission: str, *, status: int = 403) -> OctopusError:
    """Return the refusal for want of `permission`; 403 by design, 401 has been reported."""
    return OctopusError(status, MISSING_PERMISSION.format(permission=permission))


def not_found(identifier: str) -> OctopusError:
    """Return the 404 that names `identifier`, an id, a slug or a path.

    It has no `Errors`: the official Go client takes a 404 that has them for another error, and its
    own tests expect a 404.
    """
    return OctopusError(404, NOT_FOUND.format(identifier=identifier), errors=None)


def bad_request(message: str, *, errors: Sequence[str] = ()) -> OctopusError:
    """Return a 400; `Errors` repeats the message when there is nothing more exact to say."""
    return OctopusError(400, message, errors=errors or [message])


def version_conflict(
    wording: str = "changed", *, in_errors: bool = False, status: int = 400
) -> OctopusError:
    """Return the refusal of a stale `Version`.

    Args:
        wording: A key of `VERSION_CONFLICTS`.
        in_errors: Whether the text stands in `Errors` only, under a general `ErrorMessage`.
        status: 400 as documented. UNVERIFIED whether servers of today answer 409.
    """
    text = VERSION_CONFLICTS[wording]
    if in_errors:
        return OctopusError(status, "There was a problem with your request.", errors=[text])
    return OctopusError(status, text)


def null_reference() -> OctopusError:
    """Return the 500 of a server that met a null where it expects a value."""
    return OctopusError(
        500,
        NULL_REFERENCE,
        full_exception=f"System.NullReferenceException: {NULL_REFERENCE}",
    )
