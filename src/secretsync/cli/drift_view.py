"""The options about drift, and how drift is shown."""

from collections.abc import Callable
from datetime import timedelta

import click
from google.protobuf.duration_pb2 import Duration

from secretsync.cli.lengths import interval_of, interval_text
from secretsync.cli.words import enum_text, time_and_age
from secretsync.v1.secret_sync_service_pb2 import (
    DRIFT_POLICY_DETECT,
    DRIFT_POLICY_OFF,
    DRIFT_POLICY_REPAIR,
    Drift,
    DriftPolicy,
    RunState,
    SyncOptions,
)

DRIFT_POLICIES = {
    "off": DRIFT_POLICY_OFF,
    "detect": DRIFT_POLICY_DETECT,
    "repair": DRIFT_POLICY_REPAIR,
}


def drift_options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    """Return the options that say what is done about drift."""
    return [
        click.option(
            "--drift-policy",
            type=click.Choice(list(DRIFT_POLICIES)),
            help="What is done if the destination was changed by others: mark it, or make it"
            " right again. Default: off.",
        ),
        click.option(
            "--drift-interval",
            metavar="TIME",
            callback=interval_of,
            help="How often drift is looked for, e.g. 10m or 6h; from 1m to 366d. Default: 1h.",
        ),
    ]


def duration_of(interval: timedelta | None) -> Duration | None:
    """Return a length of time as a message; None stays None."""
    if interval is None:
        return None
    message = Duration()
    message.FromTimedelta(interval)
    return message


def policy_text(options: SyncOptions) -> str:
    """Return for people what is done about drift, and how often."""
    policy = enum_text(DriftPolicy.DESCRIPTOR, options.drift_policy, "DRIFT_POLICY_")
    if options.drift_policy not in {DRIFT_POLICY_DETECT, DRIFT_POLICY_REPAIR}:
        return "off"
    return f"{policy} every {interval_text(options.drift_interval.ToTimedelta())}"


def drift_text(drift: Drift, policy: DriftPolicy.ValueType) -> str:
    """Return for people what is known of drift, and when it is looked for next.

    With the policy REPAIR the looks are sync runs. The last check is none of them, and as old as
    the last time that somebody asked for one; so it is not told once it has ended.
    """
    repairs = policy == DRIFT_POLICY_REPAIR
    told = ["none known"]
    if drift.drifted_key_count:
        count = drift.drifted_key_count
        keys = "1 key" if count == 1 else f"{count} keys"
        told = [f"{keys} since {time_and_age(drift.start_time)}"]
    check = drift.last_check
    if check.last_run and not (repairs and check.HasField("finish_time")):
        state = enum_text(RunState.DESCRIPTOR, check.state, "RUN_STATE_")
        when = f" {time_and_age(check.finish_time)}" if check.HasField("finish_time") else ""
        told.append(f"last check {state}{when}{f': {check.message}' if check.message else ''}")
    if drift.HasField("next_check_time"):
        how = ", by a sync run" if repairs else ""
        told.append(f"next look {time_and_age(drift.next_check_time)}{how}")
    return "; ".join(told)
