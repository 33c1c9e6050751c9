"""The options that say when a sync runs because time has passed, and how that is shown."""

import re
from collections.abc import Callable
from datetime import timedelta

import click

from secretsync.cli.errors import invalid
from secretsync.v1.secret_sync_service_pb2 import Schedule

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SECONDS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def interval_of(ctx: click.Context, param: click.Parameter, text: str | None) -> timedelta | None:
    """Return the length of time that an option gives, such as `90m` or `1d12h`."""
    if text is None:
        return None
    if not re.fullmatch(r"([0-9]{1,9}[dhms])+", text):
        raise click.BadParameter(
            f"{text!r} is no length of time: write it like 90m, 12h or 1d12h", ctx, param
        )
    parts = re.findall(r"([0-9]+)([dhms])", text)
    try:
        return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    except OverflowError:
        raise click.BadParameter(f"{text} is too long", ctx, param) from None


def interval_text(interval: timedelta) -> str:
    """Return a length of time for people: `1 day 12 hours`; below a second as a number of them."""
    left = int(interval.total_seconds())
    words = []
    for unit, length in _SECONDS:
        count, left = divmod(left, length)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or f"{interval.total_seconds():g} seconds"


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
