"""Answers in words, with everything that is wrong at once."""

import pytest

from secretsync.domain.problems import (
    Code,
    Problem,
    Reason,
    Violation,
    Violations,
    already_exists,
    in_use,
    not_found,
)


def test_violations_are_reported_together() -> None:
    violations = Violations()
    violations.check("a", None)
    violations.raise_if_any()
    violations.check("b", "is bad")
    violations.add("c", "is worse")
    with pytest.raises(Problem) as told:
        violations.raise_if_any()
    assert told.value.code is Code.INVALID_ARGUMENT
    assert told.value.reason is Reason.INVALID_FIELDS
    assert told.value.violations == (Violation("b", "is bad"), Violation("c", "is worse"))
    assert str(told.value) == "invalid request: b: is bad; c: is worse"


def test_the_other_answers_name_the_resource() -> None:
    assert not_found("projects/a").message == "projects/a does not exist"
    assert not_found("projects/a", "no such thing").message == "no such thing"
    assert not_found("projects/a").metadata == {"resource": "projects/a"}
    assert already_exists("projects/a").metadata == {"resource": "projects/a"}
    assert already_exists("projects/a").code is Code.ALREADY_EXISTS


def test_ten_users_of_a_resource_are_told_at_most() -> None:
    users = [f"u{number}" for number in range(20)]
    problem = in_use("projects/a", "it is in use", users)
    assert problem.code is Code.FAILED_PRECONDITION
    assert problem.metadata["users"] == ", ".join(users[:10])
