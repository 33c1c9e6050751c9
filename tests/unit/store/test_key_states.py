"""The table of keys: pages, filters, and what it counts on the sync."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]
SYNC = "y-to-octopus"


def some(make: "Make", *names: str, state: KeyState = KeyState.SYNCED) -> list[SyncKey]:
    return [
        SyncKey(name=name, key=name.lower(), state=state, state_time=make.now, run_uid="r-1")
        for name in names
    ]


def names(keys: Sequence[SyncKey]) -> list[str]:
    return [key.name for key in keys]


def test_what_is_saved_is_found_again_in_whole(scratch: Scratch, make: "Make") -> None:
    [key] = some(make, "K", state=KeyState.FAILED)
    full = replace(
        key, reason="r", change_time=make.at(1), error="e", error_time=make.at(2), run_uid="r-2"
    )
    with scratch() as tx:
        tx.key_states.save(SYNC, [key], [])
        tx.key_states.save(SYNC, [full], [])
        assert tx.key_states.of_sync(SYNC) == [full]


def test_pages_follow_code_points_and_filters(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.key_states.save(SYNC, some(make, "b", "a", "B", "\u00e4", "\U0001f511"), [])
        tx.key_states.save(SYNC, some(make, "c", "d", state=KeyState.DRIFTED), [])
        listed = tx.key_states.list(SYNC, "", 100)
        assert names(listed) == ["B", "a", "b", "c", "d", "\u00e4", "\U0001f511"]
        assert names(tx.key_states.list(SYNC, "a", 2)) == ["b", "c"]
        assert names(tx.key_states.list(SYNC, "", 9, [KeyState.DRIFTED])) == ["c", "d"]
        assert names(tx.key_states.list(SYNC, "c", 9, {KeyState.DRIFTED, KeyState.FAILED})) == ["d"]
        assert tx.key_states.list("other", "", 9) == []


def test_the_sync_is_told_how_many_there_are(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.key_states.save(SYNC, some(make, "a", "b"), [])
        drifted = some(make, "c", "d", state=KeyState.DRIFTED)
        late = replace(drifted[1], state_time=make.at(9))
        tx.key_states.save(SYNC, [drifted[0], late], [])
        sync = tx.syncs.by_uid(SYNC)
        assert sync is not None
        assert sync.key_counts == {KeyState.SYNCED: 2, KeyState.DRIFTED: 2}
        assert sync.drift_time == make.now
        tx.key_states.save(SYNC, [], ["c", "a", "never"])
        # Whoever changes the sync meanwhile knows nothing of its keys, and changes nothing there.
        tx.syncs.update(replace(sync, description="new"))
        after = tx.syncs.by_uid(SYNC)
        assert after is not None
        assert after.key_counts == {KeyState.SYNCED: 1, KeyState.DRIFTED: 1}
        assert (after.drift_time, after.description) == (make.at(9), "new")
        tx.key_states.save(SYNC, [], ["b", "d"])
        emptied = tx.syncs.by_uid(SYNC)
        assert emptied is not None
        assert (emptied.key_counts, emptied.drift_time) == ({}, None)


def test_they_go_with_the_sync(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.key_states.save(SYNC, some(make, "a"), [])
        tx.syncs.delete(SYNC)
        assert tx.key_states.of_sync(SYNC) == []


@pytest.mark.parametrize("missing", [[], ["never"]])
def test_nothing_to_save_changes_nothing(
    scratch: Scratch, make: "Make", missing: list[str]
) -> None:
    with scratch() as tx:
        tx.key_states.save(SYNC, some(make, "a"), [])
        tx.key_states.save(SYNC, [], missing)
        assert names(tx.key_states.of_sync(SYNC)) == ["a"]
