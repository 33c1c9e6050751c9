"""Every statement finds its rows through an index, however large the tables grow."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from secretsync.domain.entities import FolderRef, RunAction, RunFilter, RunState, RunTrigger
from secretsync.domain.key_states import KeyState
from secretsync.domain.pauses import Pause
from secretsync.domain.watching import Position, WatchScope
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]

FOLDER = FolderRef("e-dev", "/a")
SYNC = "y-to-octopus"

# What may be gone through from end to end: a parameter, what a statement itself has computed, and
# the runs and attempts that are not finished, by an index that holds no others (all but
# `runs_by_...`).
SMALL = re.compile(
    r"SCAN (\w+ VIRTUAL TABLE|\d+ CONSTANT ROWS?|CONSTANT ROW|reached|\(subquery-\d+\)"
    r"|runs? USING (COVERING )?INDEX runs_(?!by_)\w+"
    r"|run_attempts USING (COVERING )?INDEX run_attempts_open)"
)

METHODS: dict[str, Callable[[Transaction, "Make"], object]] = {
    "projects.get": lambda tx, _: tx.projects.get("shop"),
    "projects.list": lambda tx, _: tx.projects.list("a", 10),
    "projects.update": lambda tx, make: tx.projects.update(make.project()),
    "environments.get": lambda tx, _: tx.environments.get("p-shop", "dev"),
    "environments.list": lambda tx, _: tx.environments.list("p-shop", "a", 10),
    "environments.update": lambda tx, make: tx.environments.update(make.environment()),
    "secrets.find": lambda tx, _: tx.secrets.find(FOLDER, ["A", "B"]),
    "secrets.delete": lambda tx, _: tx.secrets.delete(["s"]),
    "secrets.list own": lambda tx, _: tx.secrets.list(
        FOLDER, recursive=False, after=("/a", "K"), limit=10
    ),
    "secrets.list all": lambda tx, _: tx.secrets.list(
        FOLDER, recursive=True, after=("/a/b", "K"), limit=10
    ),
    "secrets.in_folder": lambda tx, _: tx.secrets.in_folder(FOLDER),
    "secrets.folders": lambda tx, _: tx.secrets.folders(FOLDER),
    "secrets.folder_exists": lambda tx, _: tx.secrets.folder_exists(FOLDER),
    "secrets.any_in_environment": lambda tx, _: tx.secrets.any_in_environment("e-dev"),
    "imports.get": lambda tx, _: tx.imports.get("e-dev", "i"),
    "imports.list all": lambda tx, _: tx.imports.list("e-dev", None, ("/a", 1), 10),
    "imports.list of path": lambda tx, _: tx.imports.list("e-dev", "/a", ("/a", 1), 10),
    "imports.of_folder": lambda tx, _: tx.imports.of_folder(FOLDER),
    "imports.importers_of": lambda tx, _: tx.imports.importers_of(FOLDER),
    "imports.from_environment": lambda tx, _: tx.imports.from_environment("e-dev"),
    "imports.delete": lambda tx, _: tx.imports.delete("i"),
    "connections.get": lambda tx, _: tx.connections.get("p-shop", "octopus"),
    "connections.by_uid": lambda tx, _: tx.connections.by_uid("c-octopus"),
    "connections.list": lambda tx, _: tx.connections.list("p-shop", "a", 10),
    "connections.update": lambda tx, make: tx.connections.update(make.connection()),
    "syncs.get": lambda tx, _: tx.syncs.get("p-shop", "to-octopus"),
    "syncs.by_uid": lambda tx, _: tx.syncs.by_uid(SYNC),
    "syncs.list": lambda tx, _: tx.syncs.list("p-shop", "a", 10),
    "syncs.list_all": lambda tx, _: tx.syncs.list_all(("p", "a"), 10),
    "syncs.uids": lambda tx, _: tx.syncs.uids("a", 10),
    "syncs.update": lambda tx, make: tx.syncs.update(make.sync()),
    "syncs.due": lambda tx, make: tx.syncs.due(make.now, 10),
    "syncs.to_check": lambda tx, make: tx.syncs.to_check(make.now, 10),
    "syncs.timed_after": lambda tx, make: tx.syncs.timed_after(make.now, 10),
    "syncs.next_due": lambda tx, _: tx.syncs.next_due(),
    "syncs.using_connection": lambda tx, _: tx.syncs.using_connection("c-octopus"),
    "syncs.using_environment": lambda tx, _: tx.syncs.using_environment("e-dev"),
    "syncs.at_target": lambda tx, _: tx.syncs.at_target("target"),
    "syncs.reading": lambda tx, _: tx.syncs.reading([FOLDER]),
    "runs.get": lambda tx, _: tx.runs.get(SYNC, "r-1"),
    "runs.list": lambda tx, _: tx.runs.list(SYNC, 99, 10),
    "runs.list some": lambda tx, make: tx.runs.list(
        SYNC,
        99,
        10,
        RunFilter(
            states=frozenset(RunState),
            triggers=frozenset(RunTrigger),
            actions=frozenset(RunAction),
            created_from=make.at(0),
            created_before=make.at(9),
        ),
    ),
    "runs.cancelling": lambda tx, _: tx.runs.cancelling(),
    "runs.abandoned": lambda tx, make: tx.runs.abandoned(make.now),
    "runs.prunable": lambda tx, make: tx.runs.prunable(
        SYNC, ended_before=make.at(0), keep=5, settled=make.at(9), limit=10
    ),
    "runs.delete": lambda tx, _: tx.runs.delete(["r-1"]),
    "runs.awaiting_approval": lambda tx, _: tx.runs.awaiting_approval(SYNC),
    "runs.pending": lambda tx, _: tx.runs.pending(SYNC),
    "runs.running": lambda tx, _: tx.runs.running(SYNC),
    "runs.latest": lambda tx, _: tx.runs.latest([SYNC, "other"]),
    "runs.update": lambda tx, make: tx.runs.update(make.run()),
    "runs.claim": lambda tx, make: tx.runs.claim(make.now, make.at(9), 5),
    "runs.renew": lambda tx, make: tx.runs.renew("r-1", 1, make.now),
    "runs.next_due": lambda tx, _: tx.runs.next_due(),
    "runs.bring_forward": lambda tx, make: tx.runs.bring_forward(make.at(9), make.now),
    "runs.release_all": lambda tx, make: tx.runs.release_all(make.now),
    "attempts.end": lambda tx, make: tx.attempts.end("r-1", make.attempt()),
    "attempts.cut_short": lambda tx, make: tx.attempts.cut_short("r-1", "why", make.now),
    "attempts.cut_all_short": lambda tx, make: tx.attempts.cut_all_short("cut short", make.now),
    "attempts.of_run": lambda tx, _: tx.attempts.of_run("r-1"),
    "pauses.put": lambda tx, make: tx.pauses.put(Pause(name="-", create_time=make.now)),
    "pauses.delete": lambda tx, _: tx.pauses.delete("-"),
    "pauses.named": lambda tx, _: tx.pauses.named(["-", "projects/shop/secretSyncs/to-octopus"]),
    "pauses.list": lambda tx, _: tx.pauses.list("-", 10),
    "events.newest": lambda tx, _: tx.events.newest(),
    "events.holds": lambda tx, _: tx.events.holds(Position(1, "x")),
    "events.list all": lambda tx, _: tx.events.list(WatchScope(), 1, 10),
    "events.list of project": lambda tx, _: tx.events.list(WatchScope("shop"), 1, 10),
    "events.list of sync": lambda tx, _: tx.events.list(WatchScope("shop", "y"), 1, 10),
    "events.prune": lambda tx, make: tx.events.prune(make.at(0), 5, 10),
    "ledger.of": lambda tx, _: tx.ledger.of(SYNC),
    "ledger.of_sync": lambda tx, _: tx.ledger.of_sync(SYNC),
    "ledger.replace": lambda tx, make: tx.ledger.replace(SYNC, [make.entry()]),
    "ledger.put_intents": lambda tx, _: tx.ledger.put_intents(SYNC, []),
    "ledger.has_entries": lambda tx, _: tx.ledger.has_entries(SYNC),
    "ledger.claimed_by_others": lambda tx, _: tx.ledger.claimed_by_others(SYNC, "target"),
    "ledger.record_write": lambda tx, _: tx.ledger.record_write("target", "1", "2"),
    "ledger.record_attempt": lambda tx, make: tx.ledger.record_attempt("target", "1", make.now),
    "ledger.withdraw_attempt": lambda tx, _: tx.ledger.withdraw_attempt("target", "1"),
    "ledger.confirm": lambda tx, make: tx.ledger.confirm(SYNC, [make.entry("a")]),
    "ledger.attempted_from": lambda tx, _: tx.ledger.attempted_from("target"),
    "ledger.versions_after": lambda tx, _: tx.ledger.versions_after("target", "1"),
    "key_states.of_sync": lambda tx, _: tx.key_states.of_sync(SYNC),
    "key_states.list": lambda tx, _: tx.key_states.list(SYNC, "a", 10),
    "key_states.list some": lambda tx, _: tx.key_states.list(SYNC, "a", 10, [KeyState.DRIFTED]),
    "key_states.save": lambda tx, _: tx.key_states.save(SYNC, [], ["gone"]),
    "runs.unfinished": lambda tx, _: tx.runs.unfinished(SYNC),
    "runs.latest_at": lambda tx, _: tx.runs.latest_at("place"),
    "former_places.update": lambda tx, make: tx.former_places.update(make.place()),
    "former_places.delete": lambda tx, _: tx.former_places.delete("place"),
    "former_places.by_uid": lambda tx, _: tx.former_places.by_uid("place"),
    "former_places.at": lambda tx, _: tx.former_places.at(SYNC, "target"),
    "former_places.of_syncs": lambda tx, _: tx.former_places.of_syncs([SYNC, "other"]),
    "former_places.using_connection": lambda tx, _: tx.former_places.using_connection("c"),
    "former_places.left": lambda tx, _: tx.former_places.left("place", 20),
    "former_places.claims": lambda tx, _: tx.former_places.claims("other", "old target"),
    "former_places.hand_over": lambda tx, _: tx.former_places.hand_over(
        "other", "old target", ["key"]
    ),
    "former_places.ledger.confirm": lambda tx, make: tx.former_places.ledger.confirm(
        "place", [make.entry("a")]
    ),
    "former_places.ledger.has_entries": lambda tx, _: tx.former_places.ledger.has_entries("place"),
    "former_places.ledger.put_intents": lambda tx, _: tx.former_places.ledger.put_intents(
        "place", []
    ),
    "former_places.ledger.of": lambda tx, _: tx.former_places.ledger.of("place"),
    "former_places.ledger.replace": lambda tx, make: tx.former_places.ledger.replace(
        "place", [make.entry()]
    ),
    "idempotency.find": lambda tx, _: tx.idempotency.find("m", "r"),
    "idempotency.prune": lambda tx, make: tx.idempotency.prune(make.now),
    "keys.data_key": lambda tx, _: tx.keys.data_key("p-shop"),
    "keys.get_meta": lambda tx, _: tx.keys.get_meta("name"),
    "syncs.delete": lambda tx, _: tx.syncs.delete(SYNC),
    "connections.delete": lambda tx, _: tx.connections.delete("c"),
    "environments.delete": lambda tx, _: tx.environments.delete("e"),
    "projects.delete": lambda tx, _: tx.projects.delete("p"),
}

# Of these statements SQLite tells no plan: they look for nothing but the row's own key.
INSERTS = {
    "projects.insert",
    "environments.insert",
    "secrets.put",
    "imports.insert",
    "connections.insert",
    "syncs.insert",
    "runs.insert",
    "former_places.insert",
    "attempts.begin",
    "idempotency.save",
    "keys.save_data_key",
    "keys.set_meta",
}


def plans_of(tx: SqliteTransaction, method: Callable[[], object]) -> list[str]:
    """Return the steps of all statements that a method executes."""
    statements: list[str] = []
    # SQLite itself is asked what it was given, with the parameters in place.
    tx.database.conn.set_trace_callback(statements.append)
    try:
        method()
    finally:
        tx.database.conn.set_trace_callback(None)
    return [
        step
        for statement in statements
        for *_, step in tx.database.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


def test_every_method_of_every_table_is_looked_at(scratch: Scratch) -> None:
    with scratch() as tx:
        tables = {**vars(tx), "former_places.ledger": tx.former_places.ledger}
        del tables["database"]
        methods = {
            f"{name}.{method}"
            for name, table in tables.items()
            for method in dir(table)
            if not method.startswith("_") and callable(getattr(table, method))
        }
    assert {name.partition(" ")[0] for name in METHODS} | INSERTS == methods


@pytest.mark.parametrize("name", METHODS)
def test_rows_are_found_through_an_index(scratch: Scratch, make: "Make", name: str) -> None:
    with scratch() as tx:
        tx.runs.insert(make.run())
        tx.former_places.insert(make.place())
        plan = plans_of(tx, lambda: METHODS[name](tx, make))
    assert plan
    assert [step for step in plan if "SCAN" in step and not SMALL.search(step)] == []


@pytest.mark.parametrize(
    "name",
    [
        "projects.list",
        "environments.list",
        "secrets.list own",
        "secrets.list all",
        "imports.list all",
        "imports.list of path",
        "connections.list",
        "syncs.list",
        "syncs.list_all",
        "syncs.uids",
        "syncs.due",
        "syncs.to_check",
        "runs.list",
        "runs.list some",
        "runs.prunable",
        "runs.claim",
        "runs.next_due",
        "pauses.list",
        "events.list all",
        "events.list of project",
        "events.list of sync",
        "ledger.of_sync",
        "key_states.of_sync",
        "key_states.list",
        "key_states.list some",
        "key_states.save",
    ],
)
def test_rows_come_out_of_the_index_in_order(scratch: Scratch, make: "Make", name: str) -> None:
    with scratch() as tx:
        plan = plans_of(tx, lambda: METHODS[name](tx, make))
    assert plan
    assert [step for step in plan if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize(
    ("method", "bound"),
    [
        ("secrets.list own", "environment_uid=? AND path=? AND key>?"),
        ("secrets.list all", "environment_uid=? AND (path,key)>(?,?) AND path<?"),
        ("imports.list all", "environment_uid=? AND (path,position)>(?,?)"),
        ("imports.list of path", "environment_uid=? AND path=? AND position>?"),
        ("runs.list", "sync_uid=? AND seq<?"),
        ("key_states.list", "sync_uid=? AND name>?"),
        ("runs.list some", "sync_uid=? AND seq<?"),
        ("syncs.at_target", "target_key=?"),
        ("syncs.reading", "environment_uid=? AND secret_path=?"),
        ("imports.importers_of", "import_environment_uid=? AND import_path=?"),
    ],
)
def test_the_search_goes_straight_to_the_page(
    scratch: Scratch, make: "Make", method: str, bound: str
) -> None:
    with scratch() as tx:
        plan = plans_of(tx, lambda: METHODS[method](tx, make))
    assert any(f"({bound})" in step for step in plan), plan
