"""Shows the attempts of a run, if there is more to them than one that went well."""

from secretsync.cli.output import print_table, say
from secretsync.cli.words import bytes_text, enum_text, span_text, time_text
from secretsync.v1.secret_sync_service_pb2 import (
    ATTEMPT_OUTCOME_SUCCEEDED,
    ATTEMPT_OUTCOME_UNSPECIFIED,
    AttemptOutcome,
    RunAttempt,
    SyncRun,
)


def show_attempts(run: SyncRun) -> None:
    """Print a run's attempts; nothing if its only one has succeeded or is under way."""
    plain = {ATTEMPT_OUTCOME_SUCCEEDED, ATTEMPT_OUTCOME_UNSPECIFIED}
    if len(run.attempts) < 2 and all(each.outcome in plain for each in run.attempts):  # noqa: PLR2004
        return
    say("")
    print_table(
        ["ATTEMPT", "BEGAN", "TOOK", "OUTCOME", "REQUESTS", "SENT", "RECEIVED", "MESSAGE"],
        (
            [
                str(each.number),
                time_text(each.start_time),
                span_text(each.start_time, each.finish_time),
                _outcome_text(each),
                str(each.http_request_count),
                bytes_text(each.request_bytes),
                bytes_text(each.response_bytes),
                each.message,
            ]
            for each in run.attempts
        ),
    )
    if run.attempts[0].number > 1:
        say(f"{run.attempts[0].number - 1} older attempts are not kept")
    requests = "request" if run.http_request_count == 1 else "requests"
    say(
        f"in all: {run.http_request_count} {requests}, {bytes_text(run.request_bytes)} sent,"
        f" {bytes_text(run.response_bytes)} received"
    )


def _outcome_text(attempt: RunAttempt) -> str:
    if attempt.outcome == ATTEMPT_OUTCOME_UNSPECIFIED:
        return "under way"
    return enum_text(AttemptOutcome.DESCRIPTOR, attempt.outcome, "ATTEMPT_OUTCOME_")
