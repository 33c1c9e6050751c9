"""Ledgers, and the chain of versions that this service alone has made."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.store.errors import ConstraintError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]
SYNC = "y-to-octopus"


def test_the_ledger_comes_back_by_identity_confirmed_first(scratch: Scratch, make: "Make") -> None:
    confirmed = [make.entry("a"), make.entry("b", version=None), make.entry("ü")]
    intents = [
        make.entry("a", confirmed=False, remote_id=None, digest="e"),
        make.entry("c", confirmed=False, remote_id=None),
    ]
    with scratch() as tx:
        assert tx.ledger.of_sync(SYNC) == []
        assert not tx.ledger.has_entries(SYNC)
        tx.ledger.replace(SYNC, reversed(confirmed))
        assert tx.ledger.has_entries(SYNC)
        tx.ledger.put_intents(SYNC, [make.entry("gone", confirmed=False)])
        tx.ledger.put_intents(SYNC, reversed(intents))
        together = [confirmed[0], intents[0], confirmed[1], intents[1], confirmed[2]]
        assert tx.ledger.of_sync(SYNC) == together
        tx.ledger.put_intents(SYNC, [])
        assert tx.ledger.of_sync(SYNC) == confirmed
        tx.ledger.put_intents(SYNC, intents)
        tx.ledger.replace(SYNC, confirmed[:1])
        assert tx.ledger.of_sync(SYNC) == confirmed[:1]
        tx.ledger.replace(SYNC, [])
        assert not tx.ledger.has_entries(SYNC)


async def test_an_identity_is_confirmed_once(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    await store.write(lambda tx: tx.ledger.replace(SYNC, [make.entry("a")]))
    twice = [make.entry("b"), make.entry("b", key="other")]
    with pytest.raises(ConstraintError):
        await store.write(lambda tx: tx.ledger.replace(SYNC, twice))
    assert await store.read(lambda tx: tx.ledger.of_sync(SYNC)) == [make.entry("a")]


def test_claims_of_other_syncs_on_the_target(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for slug, target in [("one", "t"), ("two", "t"), ("self", "t"), ("away", "u")]:
            tx.syncs.insert(make.sync(slug, target_key=target))
            tx.ledger.replace(f"y-{slug}", [make.entry(slug), make.entry("shared")])
        tx.ledger.put_intents("y-one", [make.entry("planned", confirmed=False)])
        assert tx.ledger.claimed_by_others("y-self", "t") == {
            "one": "projects/shop/secretSyncs/one",
            "two": "projects/shop/secretSyncs/two",
            "planned": "projects/shop/secretSyncs/one",
            "shared": "projects/shop/secretSyncs/one",
        }
        assert set(tx.ledger.claimed_by_others("y-self", "u")) == {"away", "shared"}
        assert tx.ledger.claimed_by_others("y-self", "v") == {}


VERSIONS = st.integers(0, 8).map(str)


@settings(deadline=None)
@given(st.lists(st.tuples(VERSIONS, VERSIONS), max_size=20), VERSIONS)
def test_versions_are_those_that_recorded_writes_lead_to(
    scratch: Scratch, writes: list[tuple[str, str]], start: str
) -> None:
    def reach(version: str) -> set[str]:
        reached = {version}
        while more := {after for one, after in steps.items() if one in reached} - reached:
            reached |= more
        return reached

    steps: dict[str, str] = {}
    with scratch() as tx:
        for before, after in writes:
            tx.ledger.record_write("target", before, after)
            tx.ledger.record_write("other target", after, before)
            # A version that is reached again is that of a restored target: what came after it
            # before that is history no more.
            for gone in {before, *reach(after)}:
                steps.pop(gone, None)
            steps[before] = after
        assert tx.ledger.versions_after("target", start) == reach(start)


def test_a_restored_target_begins_its_history_anew(scratch: Scratch) -> None:
    with scratch() as tx:
        for before, after in (("3", "4"), ("4", "5"), ("5", "6")):
            tx.ledger.record_write("target", before, after)
        # Restored to version 3, and written once since: what was 5 and 6 may be anybody's now.
        tx.ledger.record_write("target", "3", "4")
        assert tx.ledger.versions_after("target", "3") == {"3", "4"}
        assert tx.ledger.versions_after("target", "4") == {"4"}


def test_the_newest_thousand_writes_of_a_target_are_kept(scratch: Scratch) -> None:
    with scratch() as tx:
        tx.ledger.record_write("other", "0", "1")
        for version in range(1, 1004):
            tx.ledger.record_write("target", str(version), str(version + 1))
        assert len(tx.ledger.versions_after("target", "4")) == 1001
        assert tx.ledger.versions_after("target", "3") == {"3"}
        assert tx.ledger.versions_after("other", "0") == {"0", "1"}


def test_versions_that_writes_were_based_on_are_kept_per_target(
    scratch: Scratch, make: "Make"
) -> None:
    with scratch() as tx:
        for second, (target, version) in enumerate(
            (("a", "1"), ("a", "2"), ("a", "2"), ("b", "9"))
        ):
            tx.ledger.record_attempt(target, version, make.at(second))
        assert tx.ledger.attempted_from("a") == {"1": make.now, "2": make.at(2)}
        assert tx.ledger.attempted_from("elsewhere") == {}


def test_a_withdrawn_attempt_is_the_newest_of_its_version(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for second, version in enumerate("121"):
            tx.ledger.record_attempt("target", version, make.at(second))
        tx.ledger.record_attempt("elsewhere", "1", make.now)
        tx.ledger.withdraw_attempt("target", "1")
        assert tx.ledger.attempted_from("target") == {"1": make.now, "2": make.at(1)}
        tx.ledger.withdraw_attempt("target", "1")
        tx.ledger.withdraw_attempt("target", "1")
        assert tx.ledger.attempted_from("target") == {"2": make.at(1)}
        assert tx.ledger.attempted_from("elsewhere") == {"1": make.now}


def test_confirmed_entries_take_the_place_of_those_before(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.ledger.replace(SYNC, [make.entry("a"), make.entry("b")])
        intents = [make.entry("a", confirmed=False), make.entry("c", confirmed=False)]
        tx.ledger.put_intents(SYNC, intents)
        new = [make.entry("b", remote_id="other"), make.entry("c")]
        tx.ledger.confirm(SYNC, new)
        assert tx.ledger.of_sync(SYNC) == [make.entry("a"), intents[0], *new, intents[1]]


def test_the_newest_thousand_attempts_of_a_target_are_kept(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for version in range(1003):
            tx.ledger.record_attempt("target", str(version), make.now)
        kept = {int(version) for version in tx.ledger.attempted_from("target")}
        assert kept == set(range(3, 1003))


def test_attempts_after_a_version_that_is_written_from_again_are_forgotten(
    scratch: Scratch, make: "Make"
) -> None:
    """The target was restored from a backup: what followed that version is no more."""
    with scratch() as tx:
        for before in (2, 3, 4):
            tx.ledger.record_attempt("target", str(before), make.now)
            tx.ledger.record_write("target", str(before), str(before + 1))
        tx.ledger.record_attempt("elsewhere", "3", make.now)
        tx.ledger.record_attempt("target", "2", make.now)
        assert set(tx.ledger.attempted_from("target")) == {"2"}
        assert set(tx.ledger.attempted_from("elsewhere")) == {"3"}
