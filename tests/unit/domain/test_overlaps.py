"""How two syncs of one target overlap, what is told of it, and what a policy refuses."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from secretsync.adapter import AdapterModel, DestinationInfo, LedgerEntry
from secretsync.domain.entities import OverlapPolicy
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.overlaps import (
    Overlap,
    OverlapFinder,
    OverlapKey,
    OverlapKind,
    Side,
    check_policy,
    told,
    warnings_of,
    worst_first,
)
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.texts import MAX_LISTED

ME, OTHER = "projects/shop/secretSyncs/me", "projects/bank/secretSyncs/other"


class Config(AdapterModel):
    """A place with a scope: letters, of which `*` stands for all."""

    scope: str = ""


def shared(one: Config, other: Config) -> str | None:
    letters = sorted({*one.scope} & {*other.scope})
    return " and ".join(letters) or None


INFO = DestinationInfo(
    name="letters",
    title="Letters",
    description="Told apart by name and scope.",
    config_model=Config,
    credential_models={},
    target_key=lambda _, instance: instance,
    name_identity=str.casefold,
    identity=lambda config, name: f"{name.casefold()} of {config.scope}",
    shared_scope=shared,
)


def entry(name: str, scope: str, key: str = "", *, confirmed: bool = True) -> LedgerEntry:
    return LedgerEntry(
        key=key or name,
        name=name,
        identity=f"{name.casefold()} of {scope}",
        remote_id=None,
        digest="d",
        confirmed=confirmed,
    )


def side(
    keys: Iterable[str] = (),
    scope: str | None = "p",
    schema: str = "",
    ledger: Sequence[LedgerEntry] = (),
    **changes: Any,  # noqa: ANN401
) -> Side:
    return Side(
        **{
            "name": OTHER,
            "is_enabled": True,
            "config": None if scope is None else Config(scope=scope),
            "schema": KeySchema(schema, "dev"),
            "load_keys": lambda: keys,
            "ledger": ledger,
            **changes,
        }
    )


def find(mine: Side, other: Side, info: DestinationInfo = INFO) -> Overlap | None:
    return OverlapFinder(info, mine).find(other)


def me(*keys: str, **changes: Any) -> Side:  # noqa: ANN401
    return side(keys, name=ME, **changes)


def unread() -> Iterable[str]:
    raise AssertionError("this source needs not be read")


def test_keys_of_one_name_and_scope_collide() -> None:
    found = find(me("B", "Token", "X"), side(["token", "b", "Y"]))
    assert found == Overlap(
        other=OTHER,
        other_is_enabled=True,
        kind=OverlapKind.COLLISION,
        keys=(OverlapKey("B", "B", "b"), OverlapKey("Token", "Token", "token")),
    )


def test_key_schemas_decide_about_names() -> None:
    found = find(
        me("DB_USER", schema="A_{{secretKey}}"), side(["USER"], schema="A_DB_{{secretKey}}")
    )
    assert found
    assert found.keys == (OverlapKey("A_DB_USER", "DB_USER", "USER"),)
    assert not find(me("USER", schema="A_{{secretKey}}"), side(["USER"], schema="B_{{secretKey}}"))


def test_who_has_written_it_owns_it() -> None:
    written = [entry("K", "p")]
    for mine, others, owner in (
        ([], [], ""),
        (written, [], ME),
        ([], written, OTHER),
        ([], [entry("K", "p", confirmed=False)], OTHER),
        (written, written, OTHER),
    ):
        found = find(me("K", ledger=mine), side(["K"], ledger=others))
        assert found
        assert found.kind is OverlapKind.COLLISION
        assert [each.owner for each in found.keys] == [owner]


def test_what_another_has_written_collides_whatever_its_source_and_scope_are_now() -> None:
    found = find(me("K"), side(["X"], scope="q", ledger=[entry("k", "p", "OLD")]))
    assert found
    assert (found.kind, found.keys) == (
        OverlapKind.COLLISION,
        (OverlapKey("K", "K", "OLD", OTHER),),
    )
    # Also if the destination does not accept its configuration any more.
    gone = side(scope=None, load_keys=unread, ledger=[entry("k", "p")])
    assert find(me("K"), gone)
    assert not find(me("X"), gone)


def test_what_this_one_has_written_and_does_not_want_any_more_is_on_its_way_out() -> None:
    mine = me("X", ledger=[entry("K", "p")], schema="X_{{secretKey}}")
    assert not find(mine, side(["K"], schema="K{{secretKey}}"))


def test_keys_that_are_not_there_yet() -> None:
    found = find(me("A"), side(["B"]))
    assert found == Overlap(other=OTHER, other_is_enabled=True, kind=OverlapKind.POSSIBLE)
    assert not find(me("A", schema="A_{{secretKey}}"), side(["A"], schema="B_{{secretKey}}"))


def test_names_in_scopes_that_have_a_part_in_common() -> None:
    found = find(me("A", "B", scope="ps"), side(["a", "C"], scope="sx"))
    assert found
    assert (found.kind, found.scope) == (OverlapKind.SCOPE, "s")
    assert found.keys == (OverlapKey("A", "A", "a"),)
    assert not find(me("A", scope="ps"), side(["B"], scope="sx"))
    assert not find(me("A", scope="ps"), side(["A"], scope="x"))


def test_sources_that_cannot_matter_are_not_read() -> None:
    for other in (
        side(scope="x", load_keys=unread),
        side(schema="B_{{secretKey}}", load_keys=unread),
        side(scope="px", schema="B_{{secretKey}}", load_keys=unread),
    ):
        assert not find(me("A", schema="A_{{secretKey}}"), other)


def test_a_destination_that_says_nothing_of_scopes_tells_names_apart() -> None:
    plain = DestinationInfo(
        name="plain",
        title="Plain",
        description="Told apart by name.",
        config_model=Config,
        credential_models={},
        target_key=lambda _, instance: instance,
    )
    found = find(me("A"), side(["A"], scope="q"), plain)
    assert found
    assert found.kind is OverlapKind.COLLISION
    possible = find(me("A"), side(["a"]), plain)
    assert possible
    assert possible.kind is OverlapKind.POSSIBLE


def overlap(kind: OverlapKind, other: str = OTHER, *names: str, enabled: bool = True) -> Overlap:
    keys = tuple(OverlapKey(name, name, name) for name in names)
    scope = "s" if kind is OverlapKind.SCOPE else ""
    return Overlap(other=other, other_is_enabled=enabled, kind=kind, keys=keys, scope=scope)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (overlap(OverlapKind.COLLISION, OTHER, "A", "B"), ["writes the same: A, B.", "fail"]),
        (overlap(OverlapKind.POSSIBLE), ["key schemas can make one name"]),
        (overlap(OverlapKind.SCOPE, OTHER, "A"), ["applies too (s): A.", "up to the destination"]),
        (overlap(OverlapKind.POSSIBLE, enabled=False), [f"{OTHER} (disabled) "]),
        (
            overlap(OverlapKind.COLLISION, OTHER, *(f"K{i:02}" for i in range(MAX_LISTED + 5))),
            ["K00, ", "K09 and 5 more."],
        ),
    ],
)
def test_words_for_people(found: Overlap, words: list[str]) -> None:
    text = told(found)
    assert text.startswith(OTHER)
    assert all(word in text for word in words), text


def test_warnings_are_as_many_as_people_read() -> None:
    some = [overlap(OverlapKind.POSSIBLE)] * MAX_LISTED
    assert len(warnings_of(some)) == MAX_LISTED
    many = warnings_of([*some, *some[:2]])
    assert len(many) == MAX_LISTED + 1
    assert many[-1] == "It overlaps 2 more syncs."
    assert warnings_of([]) == ()


def test_the_worst_comes_first() -> None:
    kinds = [OverlapKind.SCOPE, OverlapKind.COLLISION, OverlapKind.POSSIBLE]
    found = [overlap(kind, other) for other in ("z", "b") for kind in kinds]
    assert [(each.kind, each.other) for each in worst_first(found)] == [
        (kind, other) for kind in OverlapKind for other in ("b", "z")
    ]


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (OverlapPolicy.WARN, []),
        (OverlapPolicy.REFUSE, [OverlapKind.COLLISION, OverlapKind.POSSIBLE]),
        (OverlapPolicy.REFUSE_ANY, list(OverlapKind)),
    ],
)
def test_what_a_policy_refuses(policy: OverlapPolicy, refused: list[OverlapKind]) -> None:
    for kind in OverlapKind:
        found = [overlap(kind, OTHER, "B", "A")]
        if kind not in refused:
            check_policy(policy, found)
            continue
        with pytest.raises(Problem) as raised:
            check_policy(policy, found)
        problem = raised.value
        assert (problem.code, problem.reason) == (Code.FAILED_PRECONDITION, Reason.SYNC_OVERLAP)
        assert problem.metadata == {"secret_syncs": OTHER, "keys": "A, B"}
        assert told(found[0]) in problem.message
        assert "overlap_policy" in problem.message
    check_policy(policy, [])


def test_a_refusal_names_only_what_is_refused() -> None:
    found = [
        overlap(OverlapKind.COLLISION, "one", "A"),
        overlap(OverlapKind.SCOPE, "unmentioned", "B"),
    ]
    with pytest.raises(Problem) as raised:
        check_policy(OverlapPolicy.REFUSE, found)
    assert raised.value.metadata == {"secret_syncs": "one", "keys": "A"}
    assert "unmentioned" not in raised.value.message
