"""Schedules of syncs: which are allowed, and when they are due."""

import functools
import hashlib
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

MIN_INTERVAL = timedelta(minutes=1)
MAX_INTERVAL = timedelta(days=366)
MAX_CRON = 100
"""Characters of a cron expression."""
CRON_FIELDS = 5
_CRON_RULES = {
    "minute": "the minute must be `*`, or from 0 to 59",
    "hour": "the hour must be `*`, or from 0 to 23",
    "day-of-month": "the day of the month must be `*`, or from 1 to 31, and come in a month that is"
    " named",
    "month": "the month must be `*`, or from 1 to 12, or a name from jan to dec",
    "day-of-week": "the day of the week must be `*`, or from 0 to 7, or a name from sun to sat",
}
"""What is wrong, by what cronsim calls the field that it does not take."""
MAX_EARLY = timedelta(minutes=5)
"""How much earlier than its interval the first time of a schedule comes, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a sync runs because time has passed: one of an interval and a cron expression.

    Attributes:
        interval: from one time to the next; None if there is a cron expression.
        cron: five fields as crontab(5) has them; empty if there is an interval.
        time_zone: what the cron expression's times are in, an IANA name; empty means UTC.
    """

    interval: timedelta | None = None
    cron: str = ""
    time_zone: str = ""


def complaints(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """Return what is wrong with a schedule: pairs of a field (empty: all of it) and its rule."""
    if schedule.interval is None and not schedule.cron:
        yield "", "must have an interval or a cron expression; leave it out for no schedule"
    if schedule.interval is not None and (complaint := interval_complaint(schedule.interval)):
        yield "interval", complaint
    if schedule.cron and (complaint := cron_complaint(schedule.cron)):
        yield "cron", complaint
    if schedule.time_zone and not schedule.cron:
        yield "time_zone", "must be empty: only a cron expression has a time zone"
    elif schedule.time_zone and schedule.time_zone not in _time_zones():
        yield "time_zone", "must be the name of an IANA time zone, such as Europe/Berlin or UTC"


def interval_complaint(interval: timedelta) -> str | None:
    """Return what is wrong with an interval, or None."""
    if MIN_INTERVAL <= interval <= MAX_INTERVAL:
        return None
    return "must be from 1 minute (60s) to 366 days (31622400s)"


def cron_complaint(cron: str) -> str | None:
    """Return what is wrong with a cron expression, or None."""
    if len(cron) > MAX_CRON:
        return f"must have at most {MAX_CRON} characters, has {len(cron)}"
    if len(cron.split()) != CRON_FIELDS or not cron.isprintable():
        return (
            "must have five fields: minute, hour, day of the month, month, day of the week; for"
            " example `30 3 * * *` for every day at 3:30"
        )
    try:
        next(CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        field = str(error).lower().removeprefix("bad ")
        return f"is no cron expression: {_CRON_RULES.get(field, 'it breaks a rule of one')}"
    except StopIteration:
        return "must name a time that comes"
    return None


def first_time(schedule: Schedule, now: datetime, uid: str) -> datetime | None:
    """Return when a schedule that begins to count now is due; None if it never is.

    Many syncs may be made, changed or enabled in one go. So that those with an interval are not
    due in one go for ever after, their first time comes up to a tenth of it earlier (at most
    `MAX_EARLY`), which depends on the sync. Cron expressions name their moments, and get them.

    Args:
        schedule: the schedule.
        now: the present time.
        uid: of the sync.
    """
    if schedule.interval is None:
        return _next_moment(schedule, now)
    early = min(schedule.interval / 10, MAX_EARLY)
    return now + schedule.interval - early * spread(uid)


def following_time(schedule: Schedule, due: datetime, now: datetime) -> datetime | None:
    """Return when a schedule is due next, after now, having been due before.

    Times that were missed in between are left out: one run makes up for all of them.
    """
    if schedule.interval is None:
        return _next_moment(schedule, now)
    return following_beat(schedule.interval, due, now)


def following_beat(interval: timedelta, due: datetime, now: datetime) -> datetime:
    """Return the first time after now that is any number of intervals after `due`."""
    return due + interval * max(1, (now - due) // interval + 1)


def spread(text: str) -> float:
    """Return a number from 0 to 1, excluded, that is as good as random and the same each time."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _next_moment(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the next time of a cron expression, None if it has none (any more)."""
    try:
        zone = zoneinfo.ZoneInfo(schedule.time_zone or "UTC")
        # Around changes of daylight saving time this keeps to what Debian's cron does. In an hour
        # that comes twice, its times begin with the first of the two, which may have passed.
        moments = (each.astimezone(UTC) for each in CronSim(schedule.cron, now.astimezone(zone)))
        return next((moment for moment in moments if moment > now), None)
    except (CronSimError, zoneinfo.ZoneInfoNotFoundError):
        # It was checked when it was set; the time zones of this machine may have changed since.
        return None


@functools.cache
def _time_zones() -> frozenset[str]:
    # Some systems list what the machine is set to, which is another zone on another machine.
    return frozenset(zoneinfo.available_timezones() - {"localtime"})
