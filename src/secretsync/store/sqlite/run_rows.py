"""Translates runs to rows: what lists need in one table, the rest in another."""

import json
from dataclasses import asdict, replace

from sqlite_utils import Database

from secretsync.adapter import Action, KeyResult
from secretsync.domain.entities import HttpRequest, RunOutcome, SyncRun
from secretsync.store.sqlite.rows import Codec, Record, to_json


def _summary_to_json(outcome: RunOutcome) -> str:
    return to_json({"counts": dict(outcome.counts), "warnings": outcome.warnings})


def _summary_from_json(text: str) -> RunOutcome:
    stored = json.loads(text)
    return RunOutcome(
        counts={Action(action): count for action, count in stored["counts"].items()},
        warnings=tuple(stored["warnings"]),
    )


RUNS = Record(
    "runs",
    SyncRun,
    custom={"outcome": Codec(_summary_to_json, _summary_from_json)},
    generated=frozenset({"seq"}),
    elsewhere=frozenset({"attempts"}),
)


def save_details(database: Database, run: SyncRun) -> None:
    """Make the run's keys and requests those that are stored."""
    outcome = run.outcome
    database.execute("DELETE FROM run_details WHERE run_uid = ?", [run.uid])
    if outcome.keys or outcome.http_requests:
        database.execute(
            "INSERT INTO run_details (run_uid, keys, http_requests) VALUES (?, ?, ?)",
            [
                run.uid,
                to_json([asdict(key) for key in outcome.keys]),
                to_json([asdict(request) for request in outcome.http_requests]),
            ],
        )


def with_details(database: Database, run: SyncRun | None) -> SyncRun | None:
    """Return the run with its keys and requests."""
    if run is None:
        return None
    row = database.execute(
        "SELECT keys, http_requests FROM run_details WHERE run_uid = ?", [run.uid]
    ).fetchone()
    if row is None:
        return run
    keys = tuple(
        KeyResult(**{**stored, "action": Action(stored["action"])}) for stored in json.loads(row[0])
    )
    requests = tuple(HttpRequest(**stored) for stored in json.loads(row[1]))
    return replace(run, outcome=replace(run.outcome, keys=keys, http_requests=requests))
