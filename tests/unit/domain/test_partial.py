"""What a run that did a part of its work says."""

from secretsync.adapter import Action, KeyResult
from secretsync.domain.partial import has_changed, joined, told_of_failed


def result(key: str, action: Action, reason: str = "") -> KeyResult:
    return KeyResult(key=key, name=f"name of {key}", action=action, reason=reason)


def test_results_of_attempts_are_joined() -> None:
    earlier = [
        result("a", Action.CREATED),
        result("b", Action.UPDATED),
        result("c", Action.DELETED),
        result("d", Action.FAILED, "no"),
        result("e", Action.UNCHANGED),
        result("f", Action.CREATED),
    ]
    later = [
        result("f", Action.UPDATED),
        result("a", Action.UNCHANGED),
        result("b", Action.FAILED, "still no"),
        result("d", Action.CREATED),
        result("e", Action.UNCHANGED),
    ]
    told = {each.key: each.action for each in joined(earlier, later)}
    assert told == {
        "a": Action.CREATED,
        "b": Action.FAILED,
        "c": Action.DELETED,
        "d": Action.CREATED,
        "e": Action.UNCHANGED,
        "f": Action.UPDATED,
    }
    assert [each.key for each in joined(earlier, later)] == list("abcdef")


def test_nothing_is_changed_by_keys_that_fail_or_stay() -> None:
    kept = [Action.UNCHANGED, Action.SKIPPED, Action.FAILED]
    assert not has_changed([result("a", action) for action in kept])
    assert has_changed([result("a", Action.DELETED)])


def test_the_first_failures_are_named() -> None:
    keys = [result(key, Action.FAILED, "too long") for key in "abcde"]
    keys.insert(0, result("z", Action.CREATED))
    assert told_of_failed(keys) == (
        "5 failed: name of a: too long; name of b: too long; name of c: too long; and 2 more"
    )
    assert told_of_failed([result("a", Action.FAILED)]) == "1 failed: name of a: no reason given"
