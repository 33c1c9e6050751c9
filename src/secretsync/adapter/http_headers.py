"""Reads what an HTTP answer says of when to try again."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx


def retry_after(headers: httpx.Headers, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, in either form (RFC 9110, section 10.2.3).

    Args:
        headers: of the answer.
        now: the present time, for a date.

    Returns:
        Seconds, 0 at least and without a bound; None if the header is missing or cannot be read.
    """
    header = headers.get("Retry-After", "").strip()
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            seconds = (moment - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
