"""The options that say when a sync runs because time has passed, and how that is shown."""

from collections.abc import Callable
from datetime import timedelta

import click

from secretsync.cli.errors import invalid
from secretsync.cli.lengths import interval_of, interval_text
from secretsync.v1.secret_sync_service_pb2 import Schedule


def schedule_options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    """Return the options that say when a sync runs because time has passed."""
    return [
        click.option(
            "--every",
            metavar="TIME",
            callback=interval_of,
            help="Also run at this interval, e.g. 90m, 12h or 7d; from 1m to 366d.",
        ),
        click.option(
            "--cron",
            metavar="TEXT",
            help="Also run at the times of this cron expression, e.g. '30 3 * * *'.",
        ),
        click.option(
            "--time-zone",
            metavar="ZONE",
            help="What the times of --cron are in, e.g. Europe/Berlin. Default: UTC.",
        ),
        click.option(
            "--no-schedule", is_flag=True, help="Do not run because time has passed (any more)."
        ),
    ]


def schedule_of(
    every: timedelta | None, cron: str | None, time_zone: str | None, *, no_schedule: bool
) -> Schedule | None:
    """Return the schedule that was given; None if nothing was said, an empty one for none.

    Raises:
        CliError: the options do not go together.
    """
    if sum((every is not None, cron is not None, no_schedule)) > 1:
        raise invalid("--every, --cron and --no-schedule exclude each other: give one of them")
    if time_zone is not None and cron is None:
        raise invalid("--time-zone belongs to --cron: give both")
    schedule = Schedule(time_zone=time_zone or "")
    if every is not None:
        schedule.interval.FromTimedelta(every)
    elif cron is not None:
        schedule.cron = cron
    return schedule if schedule.WhichOneof("timing") or no_schedule else None


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule for people."""
    if schedule.HasField("interval"):
        return f"every {interval_text(schedule.interval.ToTimedelta())}"
    return f"{schedule.cron} ({schedule.time_zone or 'UTC'})" if schedule.cron else "none"
