"""Lengths of time, as people write and read them."""

import re
from datetime import timedelta

import click

UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
"""Each begins with the letter that it is written with."""
_SECONDS = {unit[0]: length for unit, length in UNITS}


def read_length(text: str) -> timedelta | None:
    """Return the length of time that a text such as `90m` or `1d12h` means, None if it means none.

    Raises:
        OverflowError: it is longer than can be reckoned with.
    """
    if not re.fullmatch(r"([0-9]{1,9}[dhms])+", text):
        return None
    parts = re.findall(r"([0-9]+)([dhms])", text)
    return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in parts))


def interval_of(ctx: click.Context, param: click.Parameter, text: str | None) -> timedelta | None:
    """Return the length of time that an option gives."""
    if text is None:
        return None
    try:
        interval = read_length(text)
    except OverflowError:
        raise click.BadParameter(f"{text} is too long", ctx, param) from None
    if interval is None:
        raise click.BadParameter(
            f"{text!r} is no length of time: write it like 90m, 12h or 1d12h", ctx, param
        )
    return interval


def interval_text(interval: timedelta) -> str:
    """Return a length of time for people: `1 day 12 hours`; below a second as a number of them."""
    left = int(interval.total_seconds())
    words = []
    for unit, length in UNITS:
        count, left = divmod(left, length)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words) or f"{interval.total_seconds():g} seconds"
