"""Schedules as the API has them."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from secretsync.domain.schedules import Schedule
from secretsync.v1 import secret_sync_service_pb2 as pb


def schedule_of(wanted: pb.SecretSync) -> Schedule | None:
    """Return the schedule of a request's sync, None if it is not set."""
    if not wanted.HasField("schedule"):
        return None
    given = wanted.schedule
    return Schedule(
        interval=interval_of(given.interval) if given.HasField("interval") else None,
        cron=given.cron,
        time_zone=given.time_zone,
    )


def schedule_message(schedule: Schedule | None) -> pb.Schedule | None:
    """Return a schedule as the API shows it; None stays None."""
    if schedule is None:
        return None
    if schedule.interval is not None:
        return pb.Schedule(interval=interval_message(schedule.interval))
    return pb.Schedule(cron=schedule.cron, time_zone=schedule.time_zone)


def interval_of(duration: Duration) -> timedelta:
    """Return a duration to the microsecond; one that is longer than 10,000 years as the longest."""
    try:
        return timedelta(seconds=duration.seconds, microseconds=duration.nanos // 1000)
    except OverflowError:
        return timedelta.max


def interval_message(interval: timedelta) -> Duration:
    """Return an interval as a message."""
    message = Duration()
    message.FromTimedelta(interval)
    return message
