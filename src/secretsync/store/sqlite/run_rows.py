"""Translates runs to rows: what lists need in one table, the rest in another."""

import json
from dataclasses import asdict, replace

from sqlite_utils import Database

from secretsync.adapter import Action, ChangeKind, KeyResult, PlannedChange
from secretsync.domain.entities import HttpRequest, RunOutcome, SyncRun
from secretsync.domain.plans import SyncPlan
from secretsync.store.sqlite.rows import Codec, Record, time_from_text, time_to_text, to_json


def _summary_to_json(outcome: RunOutcome) -> str:
    return to_json({"counts": dict(outcome.counts), "warnings": outcome.warnings})


def _summary_from_json(text: str) -> RunOutcome:
    stored = json.loads(text)
    return RunOutcome(
        counts={Action(action): count for action, count in stored["counts"].items()},
        warnings=tuple(stored["warnings"]),
    )


def _plan_to_json(plan: SyncPlan) -> str:
    return to_json({**asdict(plan), "plan_time": time_to_text(plan.plan_time)})


def _plan_from_json(text: str) -> SyncPlan:
    stored = json.loads(text)
    changes = tuple(
        PlannedChange(**{**change, "kind": ChangeKind(change["kind"])})
        for change in stored.pop("changes")
    )
    return SyncPlan(
        changes=changes,
        warnings=tuple(stored.pop("warnings")),
        plan_time=time_from_text(stored.pop("plan_time")),
        **stored,
    )


RUNS = Record(
    "runs",
    SyncRun,
    custom={"outcome": Codec(_summary_to_json, _summary_from_json)},
    generated=frozenset({"seq"}),
    elsewhere=frozenset({"attempts", "plan"}),
)


def save_details(database: Database, run: SyncRun) -> None:
    """Make the run's keys, requests and plan those that are stored."""
    outcome = run.outcome
    database.execute("DELETE FROM run_details WHERE run_uid = ?", [run.uid])
    if outcome.keys or outcome.http_requests or run.plan:
        database.execute(
            "INSERT INTO run_details (run_uid, keys, http_requests, plan) VALUES (?, ?, ?, ?)",
            [
                run.uid,
                to_json([asdict(key) for key in outcome.keys]),
                to_json([asdict(request) for request in outcome.http_requests]),
                _plan_to_json(run.plan) if run.plan else None,
            ],
        )


def with_details(database: Database, run: SyncRun | None) -> SyncRun | None:
    """Return the run with its keys, requests and plan."""
    if run is None:
        return None
    row = database.execute(
        "SELECT keys, http_requests, plan FROM run_details WHERE run_uid = ?", [run.uid]
    ).fetchone()
    if row is None:
        return run
    keys = tuple(
        KeyResult(**{**stored, "action": Action(stored["action"])}) for stored in json.loads(row[0])
    )
    requests = tuple(HttpRequest(**stored) for stored in json.loads(row[1]))
    return replace(
        run,
        plan=_plan_from_json(row[2]) if row[2] else None,
        outcome=replace(run.outcome, keys=keys, http_requests=requests),
    )
