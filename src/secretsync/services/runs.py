"""Runs as the API shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from secretsync.adapter import Action
from secretsync.domain.attempts import AttemptOutcome, RunAttempt
from secretsync.domain.entities import RunFilter, RunState, RunTrigger, SyncRun
from secretsync.domain.pauses import Pause, waits_for
from secretsync.domain.problems import Reason, Violations
from secretsync.domain.retrying import is_scheduled
from secretsync.engine.protocol import Progress
from secretsync.services.plans import RUN_ACTIONS, plan_message
from secretsync.services.translate import moment_of, timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.error_reason_pb2 import ErrorReason

N = TypeVar("N")
T = TypeVar("T")

STATES = {
    RunState.PENDING: pb.RUN_STATE_PENDING,
    RunState.RUNNING: pb.RUN_STATE_RUNNING,
    RunState.SUCCEEDED: pb.RUN_STATE_SUCCEEDED,
    RunState.FAILED: pb.RUN_STATE_FAILED,
    RunState.PARTIALLY_SUCCEEDED: pb.RUN_STATE_PARTIALLY_SUCCEEDED,
    RunState.AWAITING_APPROVAL: pb.RUN_STATE_AWAITING_APPROVAL,
}
TRIGGERS = {
    RunTrigger.MANUAL: pb.RUN_TRIGGER_MANUAL,
    RunTrigger.CREATE: pb.RUN_TRIGGER_CREATE,
    RunTrigger.UPDATE: pb.RUN_TRIGGER_UPDATE,
    RunTrigger.SOURCE_CHANGE: pb.RUN_TRIGGER_SOURCE_CHANGE,
    RunTrigger.RETRY: pb.RUN_TRIGGER_RETRY,
    RunTrigger.SCHEDULE: pb.RUN_TRIGGER_SCHEDULE,
    RunTrigger.DRIFT: pb.RUN_TRIGGER_DRIFT,
}
KEY_ACTIONS = {
    Action.CREATED: pb.KEY_ACTION_CREATED,
    Action.UPDATED: pb.KEY_ACTION_UPDATED,
    Action.UNCHANGED: pb.KEY_ACTION_UNCHANGED,
    Action.DELETED: pb.KEY_ACTION_DELETED,
    Action.SKIPPED: pb.KEY_ACTION_SKIPPED,
    Action.FAILED: pb.KEY_ACTION_FAILED,
}
ATTEMPT_OUTCOMES = {
    None: pb.ATTEMPT_OUTCOME_UNSPECIFIED,
    AttemptOutcome.SUCCEEDED: pb.ATTEMPT_OUTCOME_SUCCEEDED,
    AttemptOutcome.FAILED: pb.ATTEMPT_OUTCOME_FAILED,
    AttemptOutcome.CUT_SHORT: pb.ATTEMPT_OUTCOME_CUT_SHORT,
    AttemptOutcome.PARTIALLY_SUCCEEDED: pb.ATTEMPT_OUTCOME_PARTIALLY_SUCCEEDED,
    AttemptOutcome.HELD_BACK: pb.ATTEMPT_OUTCOME_HELD_BACK,
}


def run_message(
    run: SyncRun,
    max_attempts: int,
    progress: Progress | None = None,
    pauses: Sequence[Pause] = (),
) -> pb.SyncRun:
    """Return a run as the API shows it.

    Args:
        run: the run.
        max_attempts: how many attempts runs have.
        progress: how far it has come, if it is running.
        pauses: what keeps it from starting, if it waits.
    """
    counts = run.outcome.counts
    waits_again = run.state is RunState.PENDING and (run.attempt > 0 or is_scheduled(run))
    return pb.SyncRun(
        name=run.name,
        action=RUN_ACTIONS[run.action],
        trigger=TRIGGERS[run.trigger],
        state=STATES[run.state],
        message=_message(run, pauses),
        error_reason=reason_number(run.error_reason),
        attempt=run.attempt,
        max_attempts=max_attempts,
        create_time=timestamp(run.create_time),
        start_time=timestamp(run.start_time),
        finish_time=timestamp(run.finish_time),
        next_attempt_time=timestamp(run.not_before) if waits_again else None,
        counts=pb.KeyCounts(**{action.value: counts.get(action, 0) for action in Action}),
        key_results=[
            pb.KeyResult(
                key=each.key,
                destination_name=each.name,
                action=KEY_ACTIONS[each.action],
                reason=each.reason,
            )
            for each in run.outcome.keys
        ],
        warnings=run.outcome.warnings,
        http_requests=[
            pb.HttpRequest(
                method=each.method,
                path=each.path,
                status_code=each.status_code,
                duration=_duration(each.seconds),
                request_bytes=each.request_bytes,
                response_bytes=each.response_bytes,
            )
            for each in run.outcome.http_requests
        ],
        progress=(
            pb.RunProgress(step=progress.step, done=progress.done, total=progress.total)
            if progress and run.state is RunState.RUNNING
            else None
        ),
        cancel_requested=run.cancel_requested,
        requester=run.requester,
        attempts=[_attempt_message(each) for each in run.attempts],
        http_request_count=run.http_request_count,
        request_bytes=run.request_bytes,
        response_bytes=run.response_bytes,
        plan=plan_message(run.plan) if run.plan else None,
        override_guards=run.override_guards,
        approved_fingerprint=run.approved_fingerprint,
        approver=run.approver,
    )


def _attempt_message(attempt: RunAttempt) -> pb.RunAttempt:
    return pb.RunAttempt(
        number=attempt.number,
        start_time=timestamp(attempt.start_time),
        finish_time=timestamp(attempt.finish_time),
        outcome=ATTEMPT_OUTCOMES[attempt.outcome],
        error_reason=reason_number(attempt.error_reason),
        message=attempt.message,
        http_request_count=attempt.traffic.requests,
        request_bytes=attempt.traffic.request_bytes,
        response_bytes=attempt.traffic.response_bytes,
    )


def reason_number(reason: Reason | None) -> "ErrorReason.ValueType":
    """Return a reason as the API has it; UNSPECIFIED for none."""
    if reason is None:
        return ErrorReason.ERROR_REASON_UNSPECIFIED
    return ErrorReason.Value(f"ERROR_REASON_{reason}")


def _message(run: SyncRun, pauses: Sequence[Pause]) -> str:
    """Return what is told of a run; a pause is told as long as it lasts, so it is not stored."""
    return "; ".join(filter(None, (waits_for(pauses) if pauses else "", run.message)))


def filter_of(request: pb.ListSyncRunsRequest, violations: Violations) -> RunFilter:
    """Return which runs a list request asks for.

    Args:
        request: the request.
        violations: takes note of what is wrong with its filters.
    """
    return RunFilter(
        states=chosen("states", request.states, STATES, pb.RunState.Name, violations),
        triggers=chosen("triggers", request.triggers, TRIGGERS, pb.RunTrigger.Name, violations),
        created_from=moment_of(request, "start_create_time", violations),
        created_before=moment_of(request, "end_create_time", violations),
    )


def chosen(
    field: str,
    numbers: Sequence[N],
    shown: Mapping[T, N],
    name_of: Callable[[N], str],
    violations: Violations,
) -> frozenset[T]:
    """Return the values that a filter names.

    Args:
        field: the filter's name.
        numbers: the enum's numbers in the request.
        shown: the number of each value.
        name_of: returns the name of a number.
        violations: takes note of numbers that are none of these.
    """
    known = {number: value for value, number in shown.items()}
    if not known.keys() >= set(numbers):
        violations.add(field, f"must be among {', '.join(name_of(number) for number in known)}")
    return frozenset(known[number] for number in numbers if number in known)


def status_message(run: SyncRun | None) -> pb.RunStatus:
    """Return the last run of a kind as a sync's status shows it."""
    if run is None:
        return pb.RunStatus()
    return pb.RunStatus(
        state=STATES[run.state],
        last_run=run.name,
        message="" if run.state is RunState.SUCCEEDED else run.message,
        finish_time=timestamp(run.finish_time),
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMicroseconds(int(seconds * 1_000_000))
    return duration
