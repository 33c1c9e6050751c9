"""What is remembered of an attempt when it ends."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from secretsync.adapter import RunResult
from secretsync.domain.attempts import AttemptOutcome, RunAttempt, traffic_of
from secretsync.domain.entities import RunOutcome, RunState, SyncRun
from secretsync.domain.partial import failed, joined, told_of_failed
from secretsync.domain.problems import Problem, Reason
from secretsync.engine.report import RunReport, shortened


def with_traffic(run: SyncRun, report: RunReport) -> SyncRun:
    """Return a run with the requests of an attempt counted in."""
    more = traffic_of((each.request_bytes, each.response_bytes) for each in report.http_requests)
    return replace(
        run,
        http_request_count=run.http_request_count + more.requests,
        request_bytes=run.request_bytes + more.request_bytes,
        response_bytes=run.response_bytes + more.response_bytes,
    )


def outcome_of(run: SyncRun, report: RunReport) -> RunOutcome:
    """Return what a run has done after an attempt, with what it had done in earlier ones.

    Args:
        run: the run, as the attempt found it.
        report: what came of the attempt.
    """
    latest, earlier = report.outcome(), run.outcome
    if not earlier.keys:
        return latest
    if report.result is None:
        return replace(earlier, http_requests=latest.http_requests)
    keys = joined(earlier.keys, latest.keys)
    return replace(latest, keys=keys, counts=Counter(each.action for each in keys))


def ended_attempt(ended: SyncRun, report: RunReport, now: datetime) -> RunAttempt:
    """Return what is remembered of an attempt.

    Args:
        ended: its run, as the attempt's report has left it.
        report: what came of the attempt.
        now: the time.
    """
    outcome, reason, message = _how(ended, report)
    return RunAttempt(
        number=ended.lease_token,
        start_time=ended.start_time or now,
        finish_time=now,
        outcome=outcome,
        error_reason=reason,
        message=message,
        traffic=traffic_of(
            (each.request_bytes, each.response_bytes) for each in report.http_requests
        ),
    )


def why_it_failed(report: RunReport) -> tuple[Reason, str]:
    """Return why an attempt came to no result: the reason, and a message for people."""
    if report.problem is None:
        return Reason.INTERNAL, "the attempt ended without a result"
    return report.problem.reason, shortened(_told(report.problem))


def _how(ended: SyncRun, report: RunReport) -> tuple[AttemptOutcome, Reason | None, str]:
    has_findings = report.findings is not None or report.awaits_approval
    if has_findings and not ended.cancel_requested:
        return AttemptOutcome.SUCCEEDED, None, ""
    if report.result is not None:
        return _how_it_came_out(ended, report.result)
    if ended.cancel_requested:
        return AttemptOutcome.CUT_SHORT, Reason.CANCELLED, ended.message
    if report.held:
        return AttemptOutcome.HELD_BACK, report.held.reason, report.held.message
    outcome = AttemptOutcome.HELD_BACK if report.unsent else AttemptOutcome.FAILED
    return outcome, *why_it_failed(report)


def _how_it_came_out(
    ended: SyncRun, result: RunResult
) -> tuple[AttemptOutcome, Reason | None, str]:
    if ended.state is RunState.SUCCEEDED or ended.cancel_requested:
        return AttemptOutcome.SUCCEEDED, None, ""
    if failed(result.keys):
        told = shortened(told_of_failed(result.keys))
        return AttemptOutcome.PARTIALLY_SUCCEEDED, Reason.KEYS_FAILED, told
    return AttemptOutcome.FAILED, ended.error_reason, ended.message


def _told(problem: Problem) -> str:
    """Return the message with the violated fields, unless it names them itself."""
    extra = "; ".join(
        f"{violation.field}: {violation.description}"
        for violation in problem.violations
        if violation.description not in problem.message
    )
    if not extra:
        return problem.message
    is_sentence = problem.message.rstrip(")").endswith(".")
    return f"{problem.message}{'' if is_sentence else ':'} {extra}"
