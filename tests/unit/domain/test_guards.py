"""Guards: what a run may delete, by default and by limit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync.adapter import ChangeKind, PlannedChange
from secretsync.domain.guards import MaxDeletions, complaint, deletions_of, trip, trip_clean_up

DEFAULT = MaxDeletions()
COUNT = st.integers(0, 60)


def changes(**counts: int) -> list[PlannedChange]:
    return [
        PlannedChange(key=f"{kind}-{i}", name=f"{kind}-{i}", kind=ChangeKind(kind))
        for kind, count in counts.items()
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("limit", "deleted", "kept", "stopped"),
    [
        (DEFAULT, 5, 1, False),
        (DEFAULT, 6, 6, False),
        (DEFAULT, 6, 5, True),
        (DEFAULT, 10, 90, False),
        (DEFAULT, 51, 49, True),
        (MaxDeletions(count=0), 1, 100, True),
        (MaxDeletions(count=3), 3, 1, False),
        (MaxDeletions(count=3), 4, 100, True),
        (MaxDeletions(percent=0), 1, 1000, True),
        (MaxDeletions(percent=10), 1, 9, False),
        (MaxDeletions(percent=10), 1, 8, True),
        (MaxDeletions(percent=100), 50, 1, False),
    ],
)
def test_limits(limit: MaxDeletions, deleted: int, kept: int, *, stopped: bool) -> None:
    told = trip(changes(delete=deleted, unchanged=kept), limit, desired=kept)
    assert bool(told) == stopped
    if stopped:
        plural = "s" if deleted > 1 else ""
        assert told == (
            f"{deleted} secret{plural} would be deleted of {deleted + kept}, which is more than"
            f" max_deletions ({limit})"
        )


def test_what_is_left_alone_is_no_reason_to_delete_more() -> None:
    # 60 that cannot be seen any more, of which six have the keys of those to be deleted.
    wipe = changes(delete=6, unchanged=1)
    left_alone = [
        PlannedChange(key=f"delete-{i}", name=f"OLD-{i}", kind=kind)
        for kind in (ChangeKind.BLOCKED, ChangeKind.CONFLICT)
        for i in range(30)
    ]
    assert len(deletions_of([*wipe, *left_alone])) == 6
    assert trip([*wipe, *left_alone], DEFAULT, desired=1).startswith(
        "6 secrets would be deleted of 7,"
    )


def test_limits_for_people() -> None:
    assert str(DEFAULT) == "50 %, or 5 if that is more"
    assert (str(MaxDeletions(count=0)), str(MaxDeletions(percent=7))) == ("0", "7 %")


@pytest.mark.parametrize("limit", [DEFAULT, MaxDeletions(count=9), MaxDeletions(percent=100)])
def test_an_empty_source_deletes_nothing(limit: MaxDeletions) -> None:
    assert trip(changes(delete=1), limit, desired=0) == (
        "the source is empty, and 1 secret would be deleted"
    )
    assert trip([], limit, desired=0) == ""
    assert trip(changes(blocked=3), limit, desired=0) == ""


def test_a_source_folder_that_is_gone_stops_a_run_in_any_case() -> None:
    for found, count in ((changes(delete=2), "2 secrets"), ([], "0 secrets")):
        told = trip(found, MaxDeletions(percent=100), desired=0, source_missing="dev:/api")
        assert told == f"the source folder dev:/api does not exist, and {count} would be deleted"


def test_what_is_new_says_nothing_of_how_much_is_there() -> None:
    """Replacing everything by other things is a wipe all the same."""
    assert trip(changes(delete=10, create=500), DEFAULT, desired=500)


def test_a_key_that_gets_another_name_is_not_deleted() -> None:
    gone = changes(delete=20)
    renamed = [replace(one, name=f"X_{one.name}", kind=ChangeKind.CREATE) for one in gone]
    assert deletions_of([*gone, *renamed]) == []
    assert trip([*gone, *renamed], MaxDeletions(count=0), desired=20) == ""
    assert deletions_of([*gone, *renamed[1:]]) == [gone[0]]


def test_what_never_had_a_key_counts_each() -> None:
    copies = [PlannedChange(key="", name=name, kind=ChangeKind.DELETE) for name in "ab"]
    kept = PlannedChange(key="", name="c", kind=ChangeKind.BLOCKED)
    assert deletions_of([*copies, kept]) == copies


@given(
    deleted=COUNT,
    kept=COUNT,
    more=COUNT,
    limit=st.one_of(
        st.just(DEFAULT),
        st.builds(MaxDeletions, count=COUNT),
        st.builds(MaxDeletions, percent=st.integers(0, 100)),
    ),
)
def test_fewer_deletions_are_never_stopped_where_more_are_allowed(
    deleted: int, kept: int, more: int, limit: MaxDeletions
) -> None:
    present = deleted + kept + more
    if limit.allows(deleted + more, present):
        assert limit.allows(deleted, present)


@given(kept=st.integers(0, 1000), deleted=st.integers(6, 1000))
def test_by_default_most_is_never_deleted(kept: int, deleted: int) -> None:
    assert DEFAULT.allows(deleted, deleted + kept) == (deleted <= kept)


def test_what_was_led_to_the_present_place_is_not_lost() -> None:
    gone = changes(delete=12)
    keys = [each.key for each in gone]
    none = MaxDeletions(count=0)
    assert trip_clean_up(gone, none, keys) == ""
    assert trip_clean_up(gone, DEFAULT, keys[6:]) == ""
    assert trip_clean_up(gone, DEFAULT, keys[7:]) == (
        "7 secrets would be deleted of 12 and are not at the sync's present place, which is more"
        " than max_deletions (50 %, or 5 if that is more)"
    )
    assert trip_clean_up(gone, none, keys[1:]).startswith("1 secret would be deleted of 12")
    # Without anything at the present place, one is too many.
    assert trip_clean_up(gone[:1], DEFAULT, []) == (
        "the sync has nothing at its present place, and 1 secret would be deleted"
    )
    assert trip_clean_up(changes(blocked=3), DEFAULT, []) == ""


def test_bad_limits() -> None:
    assert complaint(MaxDeletions(count=-1)) == "count must be 0 or more; 0 allows none"
    for percent in (-1, 101):
        assert complaint(MaxDeletions(percent=percent)) == (
            "percent must be between 0 and 100, which allows all"
        )
    for good in (
        DEFAULT,
        MaxDeletions(count=0),
        MaxDeletions(percent=0),
        MaxDeletions(percent=100),
    ):
        assert complaint(good) is None
