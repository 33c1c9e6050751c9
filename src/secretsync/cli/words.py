"""Turns single values of the API into words for people: times, durations, sizes, enums."""

import json
from datetime import UTC, datetime

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.cli.lengths import UNITS


def enum_text(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """Return an enum's value for people: `RUN_STATE_FAILED` as `failed`; unset as `-`.

    Args:
        enum: the enum's descriptor.
        number: the value; one that a newer server made up is shown as the number.
        prefix: what all its names begin with.
    """
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    word = value.name.removeprefix(prefix)
    return "-" if word == "UNSPECIFIED" else word.lower().replace("_", "-")


def time_text(when: Timestamp) -> str:
    """Return a time in the local time zone to the second; `-` if it is not set."""
    if not when.ToNanoseconds():
        return "-"
    return f"{when.ToDatetime(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def time_and_age(when: Timestamp) -> str:
    """Return a time as `time_text` does, with how long ago it was."""
    if not when.ToNanoseconds():
        return "-"
    seconds = (datetime.now(UTC) - when.ToDatetime(tzinfo=UTC)).total_seconds()
    return f"{time_text(when)} ({age_text(seconds)})"


def age_text(seconds: float) -> str:
    """Return a distance in time for people: `3 minutes ago`, `in 2 seconds`, `now`."""
    distance = abs(seconds)
    for unit, length in UNITS:
        count = int(distance // length)
        if count:
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "now"


def seconds_text(seconds: float) -> str:
    """Return a length of time for people: `35 ms`, `1.2 s`, `2 min 5 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 -- seconds in a minute
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def duration_text(duration: Duration) -> str:
    """Return a protobuf duration as `seconds_text` does."""
    return seconds_text(duration.ToNanoseconds() / 1e9)


def span_text(start: Timestamp, finish: Timestamp) -> str:
    """Return how long something took; `-` unless it has begun and ended."""
    if not start.ToNanoseconds() or not finish.ToNanoseconds():
        return "-"
    return seconds_text((finish.ToNanoseconds() - start.ToNanoseconds()) / 1e9)


def bytes_text(count: int) -> str:
    """Return a size for people: `512 B`, `1.5 KiB`, `2.0 MiB`."""
    if count < 1024:  # noqa: PLR2004 -- bytes in a KiB
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"


def value_text(value: object) -> str:
    """Return a value of a configuration: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def yes_no(value: bool) -> str:  # noqa: FBT001 -- the value is all there is
    """Return `yes` or `no`."""
    return "yes" if value else "no"
