"""For any starting set and any two syncs: foreign rows stay as they are, ours are as wanted."""

from hypothesis import given, settings
from hypothesis import strategies as st
from merge_kit import Json, Server, Syncing, places, secrets, starting_rows, wishes
from octopus_kit import sync_request

from secretsync.adapter import InvalidConfig
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.rows import canonical_scope


def expected(one: Syncing) -> list[tuple[str, str, str]]:
    return sorted((identity, *rest) for identity, rest in one.wanted().items())


def check_ledger(server: Server, one: Syncing) -> None:
    """The ledger lists exactly the rows that this sync has there."""
    there = {fields["Id"]: identity for identity, fields in server.contents()}
    assert {entry.identity for entry in one.ledger} == set(one.wanted())
    assert all(there[entry.remote_id or ""] == entry.identity for entry in one.ledger)


@settings(max_examples=200, deadline=None)
@given(starting_rows, wishes, wishes, secrets, st.none() | st.integers(0, 9), places)
def test_foreign_rows_stay_and_ours_are_as_wanted(
    rows: list[Json],
    first: tuple[dict[str, list[str]], dict[str, str]],
    second: tuple[dict[str, list[str]], dict[str, str]],
    later: dict[str, str],
    tampered: int | None,
    place: Json,
) -> None:
    server = Server(rows)
    one, other = Syncing(*first, place), Syncing(*second, place)
    ours = {*one.wanted(), *other.wanted(), *Syncing(one.scope, later).wanted()}
    foreign = server.others(ours)

    for mine, theirs in ((one, other), (other, one)):
        before = server.contents()
        try:
            server.sync(mine, theirs)
        except InvalidConfig:
            assert server.contents() == before
            return
        assert server.values(mine.wanted()) == expected(mine)
        assert server.others(ours) == foreign
        check_ledger(server, mine)
    assert server.values(one.wanted()) == expected(one)

    if tampered is not None:
        server.tamper(one, tampered)
    kept = server.values(other.wanted())
    gone = set(one.wanted()) - set(Syncing(one.scope, later).wanted())
    one.secrets = later
    before = server.contents()
    try:
        server.sync(one, other, is_trusted=tampered is None)
    except InvalidConfig:
        assert server.contents() == before
        return
    assert server.values(one.wanted()) == expected(one)
    assert server.values(gone) == []
    assert server.values(other.wanted()) == kept == expected(other)
    assert server.others(ours) == foreign
    check_ledger(server, one)

    version = server.stored.version
    server.sync(one, other)
    assert server.stored.version == version

    server.remove(one, other)
    assert server.values(one.wanted()) == []
    assert server.values(other.wanted()) == kept
    assert server.others(ours) == foreign
    assert one.ledger == ()


@settings(max_examples=100, deadline=None)
@given(starting_rows, wishes, st.sampled_from(["a", "be", "str", ""]), places)
def test_a_first_run_takes_away_only_sensitive_rows_of_its_scope_and_names(
    rows: list[Json], wish: tuple[dict[str, list[str]], dict[str, str]], prefix: str, place: Json
) -> None:
    server = Server(rows)
    one = Syncing(*wish, place)
    scope = one.config().scope_values.as_scope()
    request = sync_request(
        one.secrets, config=one.config(), claims=lambda name: name.casefold().startswith(prefix)
    )
    before = server.contents()

    try:
        plan = merge.plan_sync(server.read(), request, Unconfirmed())
    except InvalidConfig:
        return
    server.carry_out(plan)

    def is_claimed(fields: Json) -> bool:
        return bool(
            fields["Type"] == "Sensitive"
            and canonical_scope(fields["Scope"]) == scope
            and fields["Name"].casefold().startswith(prefix)
        )

    kept = [
        fields
        for identity, fields in before
        if identity not in one.wanted() and not is_claimed(fields)
    ]
    assert server.others(one.wanted()) == kept
    assert server.values(one.wanted()) == expected(one)
