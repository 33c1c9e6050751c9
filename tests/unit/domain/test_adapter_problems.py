"""Each error of the closed set has one meaning, and all of them have one."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync import adapter
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
from secretsync.domain.adapter_problems import MAX_RETRY_AFTER, problem_from
from secretsync.domain.problems import Code, Reason, Violation

EXPECTED = {
    AuthenticationFailed: (Code.FAILED_PRECONDITION, Reason.AUTHENTICATION_FAILED, False),
    PermissionDenied: (Code.FAILED_PRECONDITION, Reason.DESTINATION_PERMISSION_DENIED, False),
    NotFound: (Code.FAILED_PRECONDITION, Reason.DESTINATION_NOT_FOUND, False),
    Conflict: (Code.ABORTED, Reason.DESTINATION_CONFLICT, True),
    RateLimited: (Code.UNAVAILABLE, Reason.RATE_LIMITED, True),
    Unavailable: (Code.UNAVAILABLE, Reason.DESTINATION_UNAVAILABLE, True),
    InvalidConfig: (Code.INVALID_ARGUMENT, Reason.DESTINATION_CONFIG_INVALID, False),
    Unsupported: (Code.FAILED_PRECONDITION, Reason.UNSUPPORTED, False),
}


def closed_set() -> Iterator[type[AdapterError]]:
    for name in adapter.__all__:
        offered = getattr(adapter, name)
        if isinstance(offered, type) and issubclass(offered, AdapterError):
            yield offered


def test_the_mapping_is_total() -> None:
    assert set(closed_set()) == {AdapterError, *EXPECTED}


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_error_has_its_meaning(kind: type[AdapterError]) -> None:
    problem = problem_from(kind("it happened"))
    assert (problem.code, problem.reason, kind.transient) == EXPECTED[kind]
    assert problem.message == "it happened"
    assert problem.violations == ()
    assert problem.retry_after is None


@pytest.mark.parametrize("kind", EXPECTED)
def test_a_kind_of_its_own_has_the_meaning_of_its_base(kind: type[AdapterError]) -> None:
    own = type("Own", (kind,), {})
    problem = problem_from(own("it happened"))
    assert (problem.code, problem.reason) == EXPECTED[kind][:2]


def test_what_is_not_of_the_set_is_internal() -> None:
    assert problem_from(AdapterError("x")).reason is Reason.INTERNAL
    assert not AdapterError.transient


def test_the_hint_follows_the_message() -> None:
    assert problem_from(Unsupported("no", hint="do that")).message == "no (do that)"


def test_violations_are_told_by_their_place_in_the_request() -> None:
    error = InvalidConfig("bad", violations={"scopeValues.roles": "unknown", "spaceId": "gone"})
    assert problem_from(error, config_field="sync.config").violations == (
        Violation("sync.config.scopeValues.roles", "unknown"),
        Violation("sync.config.spaceId", "gone"),
    )
    assert problem_from(error).violations[1] == Violation("spaceId", "gone")


def test_what_was_not_found_is_told_by_its_field() -> None:
    error = NotFound("no such project", field="projectId")
    assert problem_from(error, config_field="c").violations == (
        Violation("c.projectId", "no such project"),
    )


@pytest.mark.parametrize("kind", [RateLimited, Unavailable])
@given(seconds=st.floats())
def test_the_pause_asked_for_is_one_that_can_be_waited(
    kind: type[RateLimited | Unavailable], seconds: float
) -> None:
    pause = problem_from(kind("slow down", retry_after=seconds)).retry_after
    if math.isnan(seconds):
        assert pause is None
    else:
        assert pause == min(max(seconds, 0), MAX_RETRY_AFTER)


def test_what_belongs_to_the_credentials_is_told_of_the_field_that_names_them() -> None:
    problem = problem_from(
        InvalidConfig("no", violations={"instanceUrl": "redirects", "projectId": "is odd"}),
        config_field="secret_sync.destination_config",
        credentials_field="secret_sync.connection",
        credential_names=["instanceUrl", "apiKey"],
    )
    assert [(each.field, each.description) for each in problem.violations] == [
        ("secret_sync.connection", "instanceUrl: redirects"),
        ("secret_sync.destination_config.projectId", "is odd"),
    ]
