"""What plans say of each change, where the adapter has nothing to add."""

from secretsync.adapter import ChangeKind, PlannedChange
from secretsync.domain.plans import explained


def change(kind: ChangeKind, name: str = "A", *, key: str = "A", reason: str = "") -> PlannedChange:
    return PlannedChange(key=key, name=name, kind=kind, reason=reason)


def reasons(*changes: PlannedChange, is_removal: bool = False) -> list[str]:
    return [each.reason for each in explained(changes, is_removal=is_removal)]


def test_every_change_has_a_reason() -> None:
    assert all(reasons(*(change(kind) for kind in ChangeKind)))
    assert all(reasons(*(change(kind) for kind in ChangeKind), is_removal=True))


def test_what_the_adapter_says_stays() -> None:
    told = [change(kind, reason=f"{kind.value}!") for kind in ChangeKind]
    assert explained(told, is_removal=False) == tuple(told)


def test_deletions_tell_what_they_follow_from() -> None:
    gone = change(ChangeKind.DELETE)
    assert reasons(gone) == ["the source does not have it any more"]
    assert reasons(gone, is_removal=True) == ["this sync has written it"]
    renamed = change(ChangeKind.CREATE, "X_A")
    assert reasons(gone, renamed)[0] == "its secret has another name or scope now"
    # What nobody here has written has no key, and so has nothing in common with others without one.
    foreign = change(ChangeKind.DELETE, key="")
    assert reasons(foreign, change(ChangeKind.BLOCKED, "B", key=""))[0] == reasons(gone)[0]
