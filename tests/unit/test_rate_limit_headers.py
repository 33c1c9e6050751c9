"""What the headers of an answer say of the destination's rate limit, in all of their forms."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync.adapter import retry_after
from secretsync.engine.pacing import limits

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("r=7;t=18", [(7, 18)]),
        ('"default";r=7;t=18', [(7, 18)]),
        (' "default" ; r=7 ; t=18 ', [(7, 18)]),
        ("default;t=18;r=7", [(7, 18)]),
        ('"a";r=5;t=10, "b";r=100;t=3600', [(5, 10), (100, 3600)]),
        ('"a";r=5, "b";r=100;t=3600', [(100, 3600)]),
        ("limit=200, remaining=7, reset=18", [(7, 18)]),
        ("REMAINING=7;Reset=18", [(7, 18)]),
        ('"r=1;t=2";r=7;t=18', [(7, 18)]),
        ('"with \\" quote;r=1;t=2";r=7;t=18', [(7, 18)]),
        ("r=7;t=18;pk=:r=9:;x-r=3", [(7, 18)]),
        ("r=7", []),
        ("t=18", []),
        ("r=-1;t=5", []),
        ("r=1.5;t=5", []),
        ("r=;t=", []),
        ("r=99999999999999999999;t=5", []),
        ('"unclosed;r=1;t=2', []),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["RateLimit", "ratelimit", "Octopus-RateLimit", "X-RateLimit"])
def test_what_a_header_says_is_left(
    name: str, header: str, expected: Sequence[tuple[int, float]]
) -> None:
    assert limits(httpx.Headers({name: header})) == expected


def test_other_headers_tell_of_no_limit() -> None:
    headers = {
        "Octopus-RateLimit-Policy": "l=200;r=0;t=9",
        "X-RateLimit-Remaining": "r=0;t=9",
        "Retry-After": "3",
    }
    assert limits(httpx.Headers(headers)) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["RateLimit", "Octopus-RateLimit", "Retry-After"]),
            st.text(st.characters(max_codepoint=126, min_codepoint=32)),
        )
    )
)
def test_no_header_leads_to_an_error(pairs: list[tuple[str, str]]) -> None:
    headers = httpx.Headers(pairs)
    assert all(left >= 0 and reset >= 0 for left, reset in limits(headers))
    assert (retry_after(headers, NOW) or 0.0) >= 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("17", 17),
        ("-3", 0),
        (format_datetime(NOW - timedelta(seconds=9), usegmt=True), 0),
        (format_datetime((NOW + timedelta(seconds=9)).replace(tzinfo=None)), 9),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_the_pause_that_is_asked_for(header: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"Retry-After": header}), NOW) == seconds
