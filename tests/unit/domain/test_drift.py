"""What counts as drift, and what a check makes of the keys of a sync."""

from datetime import UTC, datetime, timedelta

import pytest

from secretsync.adapter import ChangeKind, LedgerEntry, PlannedChange
from secretsync.domain.drift import Drifted, after_check, find_drift
from secretsync.domain.key_states import KeyState, SyncKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
WOULD_WRITE = [ChangeKind.CREATE, ChangeKind.UPDATE, ChangeKind.ADOPT, ChangeKind.CONVERT]


def entry(name: str = "K", digest: str = "d", *, confirmed: bool = True) -> LedgerEntry:
    return LedgerEntry(
        key=name, name=name, identity=f"id of {name}", remote_id="1", digest=digest,
        version="1", confirmed=confirmed,
    )  # fmt: skip


def change(kind: ChangeKind, name: str = "K", reason: str = "why") -> PlannedChange:
    return PlannedChange(key=name, name=name, kind=kind, reason=reason)


class TestWhatIsDrift:
    @pytest.mark.parametrize("kind", [*WOULD_WRITE, ChangeKind.CONFLICT, ChangeKind.BLOCKED])
    def test_what_is_not_right_although_nothing_changed_here(self, kind: ChangeKind) -> None:
        [found] = find_drift([change(kind)], [entry()], {"id of K": "d"})
        assert (found.key, found.name) == ("K", "K")
        assert found.reason

    @pytest.mark.parametrize("kind", [ChangeKind.CREATE, ChangeKind.UPDATE, ChangeKind.CONFLICT])
    def test_it_has_the_reason_of_the_plan(self, kind: ChangeKind) -> None:
        [found] = find_drift([change(kind)], [entry()], {"id of K": "d"})
        assert found.reason == "why"
        [silent] = find_drift([change(kind, reason="")], [entry()], {"id of K": "d"})
        assert silent.reason not in {"", "why"}

    @pytest.mark.parametrize("kind", [ChangeKind.ADOPT, ChangeKind.CONVERT])
    def test_it_does_not_tell_what_a_run_would_do(self, kind: ChangeKind) -> None:
        plan = change(kind, reason="it was taken over")
        [found] = find_drift([plan], [entry()], {"id of K": "d"})
        assert "taken over" not in found.reason

    def test_a_change_at_the_source_is_none(self) -> None:
        assert find_drift([change(ChangeKind.UPDATE)], [entry()], {"id of K": "new"}) == []

    @pytest.mark.parametrize(
        "kind", [ChangeKind.CREATE, ChangeKind.ADOPT, ChangeKind.CONVERT, ChangeKind.CONFLICT]
    )
    def test_what_is_gone_is_whatever_the_source_has_now(self, kind: ChangeKind) -> None:
        [found] = find_drift([change(kind)], [entry()], {"id of K": "new"})
        assert found.name == "K"
        # Elsewhere it was never written.
        assert find_drift([change(kind)], [entry()], {"id of K elsewhere": "new"}) == []

    @pytest.mark.parametrize("kind", WOULD_WRITE)
    def test_what_was_never_written_is_none(self, kind: ChangeKind) -> None:
        assert find_drift([change(kind)], [], {"id of K": "d"}) == []
        assert find_drift([change(kind)], [entry(confirmed=False)], {"id of K": "d"}) == []
        assert find_drift([change(kind, "NEW")], [entry()], {"id of K": "d"}) == []

    def test_what_is_not_wanted_any_more_is_none(self) -> None:
        assert find_drift([change(ChangeKind.BLOCKED)], [entry()], {}) == []
        assert find_drift([change(ChangeKind.DELETE)], [entry()], {}) == []

    def test_what_is_right_is_none(self) -> None:
        assert find_drift([change(ChangeKind.UNCHANGED)], [entry()], {"id of K": "d"}) == []


def key(state: KeyState = KeyState.SYNCED, **fields: object) -> SyncKey:
    return SyncKey(name="K", key="K", state=state, state_time=NOW, run_uid="r1", **fields)  # type: ignore[arg-type]


def checked(before: list[SyncKey], *drifted: Drifted, right: tuple[str, ...] = ()) -> SyncKey:
    [found] = after_check(
        {each.name: each for each in before}, drifted, right, "r2", LATER
    ).values()
    return found


GONE = Drifted(key="K", name="K", reason="it is gone")


class TestAfterACheck:
    def test_a_key_that_drifted_is_marked(self) -> None:
        found = checked([key(change_time=NOW)], GONE)
        assert (found.state, found.reason, found.state_time, found.run_uid) == (
            KeyState.DRIFTED,
            "it is gone",
            LATER,
            "r2",
        )
        assert found.change_time == NOW

    def test_since_when_stays_the_first_time_that_it_was_seen(self) -> None:
        before = key(KeyState.DRIFTED, reason="it may have been changed")
        found = checked([before], GONE)
        assert (found.reason, found.state_time, found.run_uid) == ("it is gone", NOW, "r2")
        again = key(KeyState.DRIFTED, reason="it is gone")
        assert checked([again], GONE) is again

    def test_a_key_that_is_right_again_is_synced(self) -> None:
        found = checked([key(KeyState.DRIFTED, reason="gone")], right=("K",))
        assert (found.state, found.reason, found.state_time) == (KeyState.SYNCED, "", LATER)

    def test_one_of_which_nothing_can_be_said_stays_as_it_was(self) -> None:
        before = key(KeyState.DRIFTED, reason="gone")
        assert checked([before]) is before

    @pytest.mark.parametrize("state", [KeyState.SYNCED, KeyState.SKIPPED, KeyState.FAILED])
    def test_a_check_says_nothing_of_others(self, state: KeyState) -> None:
        before = key(state, reason="r")
        assert checked([before], right=("K",)) is before

    def test_a_key_that_no_run_has_told_of_is_marked_too(self) -> None:
        found = checked([], GONE)
        assert (found.key, found.state, found.state_time) == ("K", KeyState.DRIFTED, LATER)
