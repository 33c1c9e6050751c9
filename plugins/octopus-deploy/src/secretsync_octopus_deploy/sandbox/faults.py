"""The ways in which the sandbox can be told to misbehave, and the queue that holds them."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from secretsync_octopus_deploy.sandbox import errors

MAX_SECONDS = 120.0
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]
# What HTTP lets stand in a header; anything else would fail while it is being sent.
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x21-\x7e]+( [\x21-\x7e]+)*$")]
# These statuses have no body, whatever is sent.
BODILESS = frozenset({204, 205, 304})


class _Fault(BaseModel):
    """What every fault has.

    Attributes:
        puts_only: Whether the fault has a meaning for PUT only, and lets other methods pass.
        answers: Whether the fault answers in the server's place.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    puts_only: ClassVar[bool] = False
    answers: ClassVar[bool] = False


class StatusFault(_Fault):
    """Answers `status` without handling the request.

    `body` is an Octopus error with `message`, an HTML page, nothing, or the given `text`.
    """

    answers = True
    kind: Literal["status"]
    status: Annotated[int, Field(ge=200, le=599)]
    body: Literal["octopus", "html", "empty", "given"] = "octopus"
    message: str = errors.UNAVAILABLE
    text: str = ""
    headers: dict[HeaderName, HeaderValue] = {}

    @model_validator(mode="after")
    def _may_have_a_body(self) -> Self:
        """Refuse a body where HTTP has none."""
        if self.status in BODILESS and self.body != "empty":
            raise ValueError(f"a {self.status} has no body: say body=empty")
        return self


class RateLimitFault(_Fault):
    """Answers 429; with `retry_after` seconds and the `Octopus-RateLimit` headers if asked."""

    answers = True
    kind: Literal["rate_limit"]
    retry_after: Annotated[int, Field(ge=0)] | None = None
    with_headers: bool = True
    policy: HeaderValue = "l=200;rpm=600"
    limit: HeaderValue = "r=0;t=18"


class VersionConflictFault(_Fault):
    """Refuses a PUT as stale, in one of the documented wordings, fields and statuses."""

    puts_only = True
    answers = True
    kind: Literal["version_conflict"]
    wording: Literal["changed", "scopes", "out_of_date"] = "changed"
    in_errors: bool = False
    status: ErrorStatus = 400


class ReadOnlyFault(_Fault):
    """Refuses a PUT for want of `permission`; 401 has been reported in place of 403."""

    puts_only = True
    answers = True
    kind: Literal["read_only"]
    permission: str = "VariableEdit"
    status: ErrorStatus = 403


class ExpiredKeyFault(_Fault):
    """Answers 401 as for a key that is not valid any more."""

    answers = True
    kind: Literal["expired_key"]


class RedirectFault(_Fault):
    """Answers a redirect to `location`."""

    answers = True
    kind: Literal["redirect"]
    location: HeaderValue
    status: Literal[301, 302, 303, 307, 308] = 302


class DelayFault(_Fault):
    """Waits `seconds` before the request is handled or, with `after`, before it is answered."""

    kind: Literal["delay"]
    seconds: Seconds
    after: bool = False


class SlowBodyFault(_Fault):
    """Sends the headers at once and the body in `pieces` spread over `seconds`."""

    kind: Literal["slow_body"]
    seconds: Seconds
    pieces: Annotated[int, Field(ge=2, le=1000)] = 10


class CutConnectionFault(_Fault):
    """Closes the connection without an answer, before or, with `after`, after handling."""

    kind: Literal["cut_connection"]
    after: bool = False


class TruncatedJsonFault(_Fault):
    """Handles the request and sends the first half of the body as if it were the whole."""

    kind: Literal["truncated_json"]


class EmptyBodyFault(_Fault):
    """Handles the request and answers with the same status and no body."""

    kind: Literal["empty_body"]


class ConcurrentEditFault(_Fault):
    """Lets somebody else set a text variable just before this PUT, which is stale then."""

    puts_only = True
    kind: Literal["concurrent_edit"]
    name: Annotated[str, Field(min_length=1)] = "Foreign.Edit"
    value: str = "edited by somebody else"


class HideRowsFault(_Fault):
    """Hides variables from the caller by name: absent from GET, and surviving a PUT."""

    kind: Literal["hide_rows"]
    names: Annotated[list[str], Field(min_length=1)]


class HideSpacesFault(_Fault):
    """Leaves spaces out of the lists, as for a caller without any permission in them."""

    kind: Literal["hide_spaces"]
    ids: Annotated[list[str], Field(min_length=1)]


AnswerFault = (
    StatusFault
    | RateLimitFault
    | VersionConflictFault
    | ReadOnlyFault
    | ExpiredKeyFault
    | RedirectFault
)
Fault = (
    AnswerFault
    | DelayFault
    | SlowBodyFault
    | CutConnectionFault
    | TruncatedJsonFault
    | EmptyBodyFault
    | ConcurrentEditFault
    | HideRowsFault
    | HideSpacesFault
)


class FaultRule(BaseModel):
    """A fault, and the requests that it befalls.

    Attributes:
        method: The HTTP method; None means any.
        path: A regular expression that is searched for in the request's path.
        skip: How many matching requests pass unharmed first.
        times: How many requests it befalls then; None means all.
        fault: What happens.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    method: Literal["GET", "PUT", "POST", "DELETE"] | None = None
    path: str = ""
    skip: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=1)] | None = 1
    fault: Annotated[Fault, Field(discriminator="kind")]

    @field_validator("path")
    @classmethod
    def _compiles(cls, path: str) -> str:
        """Refuse what is not a regular expression."""
        try:
            re.compile(path)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return path

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is one that this rule is about."""
        if self.times == 0 or (self.fault.puts_only and method != "PUT"):
            return False
        return self.method in {None, method} and re.search(self.path, path) is not None

    def befalls(self) -> bool:
        """Count a matching request, and tell whether the fault happens to it."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class FaultQueue:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> None:
        """Put `rule` in force, behind those that are there."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Drop all rules."""
        self._rules.clear()

    def in_force(self) -> list[dict[str, Any]]:
        """Return the rules that still wait for requests, with what is left of their counts."""
        return [rule.model_dump() for rule in self._rules if rule.times != 0]

    def take(self, method: str, path: str) -> Sequence[Fault]:
        """Return the faults that befall a request, in order, and count them down.

        A fault that answers in the server's place ends the list: later ones wait for the next
        request, so that a sequence of answers can be queued.
        """
        taken: list[Fault] = []
        for rule in self._rules:
            if rule.matches(method, path) and rule.befalls():
                taken.append(rule.fault)
                if rule.fault.answers:
                    break
        self._rules = [rule for rule in self._rules if rule.times != 0]
        return taken
