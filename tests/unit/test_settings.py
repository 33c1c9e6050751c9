"""The settings that depend on each other."""

import pytest

from secretsync.settings import SettingsError, make_settings


def test_a_request_may_not_take_longer_than_the_attempt_that_it_is_part_of() -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(http_read_timeout=901, http_write_timeout=1000, http_connect_timeout=900)
    assert str(caught.value) == (
        "http_read_timeout (901 s) and http_write_timeout (1000 s) must not be longer than"
        " attempt_timeout (900 s), which would end the request before"
    )


def test_a_short_attempt_needs_no_timeouts_of_its_own() -> None:
    settings = make_settings(attempt_timeout=5)
    assert settings.http_read_timeout == 300


def test_a_long_attempt_may_have_long_requests() -> None:
    settings = make_settings(attempt_timeout=7200, http_read_timeout=3600)
    assert settings.http_read_timeout == 3600


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", ["connect", "read", "write"])
def test_timeouts_have_limits(kind: str, seconds: float) -> None:
    with pytest.raises(SettingsError, match=f"^http_{kind}_timeout: "):
        make_settings(**{f"http_{kind}_timeout": seconds})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_history_days", 0),
        ("run_history_days", 3651),
        ("change_interval", -0.1),
        ("change_interval", 3601),
        ("run_history_count", 0),
        ("run_history_count", 100_001),
    ],
)
def test_the_history_has_limits(name: str, value: int) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        make_settings(**{name: value})
