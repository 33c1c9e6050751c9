"""When schedules are due: intervals, cron expressions, time zones, and clocks that jump."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secretsync.domain.schedules import (
    MAX_EARLY,
    Schedule,
    complaints,
    cron_complaint,
    first_time,
    following_time,
    interval_complaint,
)

HOUR = Schedule(interval=timedelta(hours=1))
NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next times of a cron expression, each found from the one before."""
    schedule, moment, found = Schedule(cron=cron, time_zone=zone), utc(after), []
    for _ in range(count):
        due = following_time(schedule, moment, moment)
        assert due is not None
        found.append(f"{due:%m-%d %H:%M}")
        moment = due
    return found


class TestWhatIsAllowed:
    @pytest.mark.parametrize(
        "schedule",
        [
            Schedule(interval=timedelta(minutes=1)),
            Schedule(interval=timedelta(days=366)),
            Schedule(cron="30 3 * * *"),
            Schedule(cron="*/15 8-18 * jan,JUL mon-fri", time_zone="Europe/Berlin"),
            Schedule(cron="0 0 29 2 *", time_zone="UTC"),
        ],
    )
    def test_these_are(self, schedule: Schedule) -> None:
        assert list(complaints(schedule)) == []

    @pytest.mark.parametrize(
        ("schedule", "fields"),
        [
            (Schedule(), [""]),
            (Schedule(interval=timedelta(seconds=59)), ["interval"]),
            (Schedule(interval=timedelta(0)), ["interval"]),
            (Schedule(interval=-timedelta(hours=1)), ["interval"]),
            (Schedule(interval=timedelta(days=366, microseconds=1)), ["interval"]),
            (Schedule(interval=timedelta.max, time_zone="Mars"), ["interval", "time_zone"]),
            (Schedule(interval=timedelta(hours=1), time_zone="UTC"), ["time_zone"]),
            (Schedule(cron="@daily"), ["cron"]),
            (Schedule(cron="0 0 * * * *"), ["cron"]),
            (Schedule(cron="60 0 * * *", time_zone="Europe"), ["cron", "time_zone"]),
            (Schedule(cron="0 0 31 2 *"), ["cron"]),
            (Schedule(cron="0 0 31 2 1-5/7 "), []),
            (Schedule(cron=f"0 0 * * {'1,' * 50}1"), ["cron"]),
            (Schedule(cron="0\x1f0 * * *"), ["cron"]),
            (Schedule(cron="0 3 * * *", time_zone="../../etc/passwd"), ["time_zone"]),
            (Schedule(cron="0 3 * * *", time_zone="europe/berlin"), ["time_zone"]),
            (Schedule(cron="0 3 * * *", time_zone="localtime"), ["time_zone"]),
        ],
    )
    def test_all_that_is_wrong_is_told(self, schedule: Schedule, fields: list[str]) -> None:
        assert [field for field, _ in complaints(schedule)] == fields

    def test_a_cron_expression_that_never_comes_is_refused(self) -> None:
        # February has a fifth Monday only in leap years that begin with the right day: some day.
        assert cron_complaint("0 0 * 2 MON#5") is None
        assert cron_complaint("0 0 30 2 *") is not None

    @pytest.mark.parametrize(
        ("cron", "rule"),
        [
            ("60 0 * * *", "the minute must be `*`, or from 0 to 59"),
            ("0 24 * * *", "the hour must be `*`, or from 0 to 23"),
            ("0 0 31 2 *", "from 1 to 31, and come in a month that is named"),
            ("0 0 * foo *", "the month must be `*`, or from 1 to 12, or a name from jan to dec"),
            ("0 0 * * 8", "the day of the week must be `*`, or from 0 to 7, or a name"),
        ],
    )
    def test_the_rule_of_the_field_is_named(self, cron: str, rule: str) -> None:
        assert rule in (cron_complaint(cron) or "")

    @given(st.text(st.sampled_from("0123456789*/-,#LWMONJAN ²x"), max_size=30))
    @example("1L/2 * * * *")
    @example("* * L/2 * ²L")
    def test_any_text_is_either_fine_or_complained_about(self, text: str) -> None:
        complaint = cron_complaint(text)
        assert complaint is None or complaint.startswith(("must ", "is "))

    def test_the_limits_are_named(self) -> None:
        told = interval_complaint(timedelta(seconds=1))
        assert told == "must be from 1 minute (60s) to 366 days (31622400s)"


@pytest.mark.parametrize(
    ("days", "day"),
    [
        ("L * *", "2026-01-31T00:00"),
        ("LW * *", "2026-01-30T00:00"),
        ("* * 1#2", "2026-01-12T00:00"),
        ("* * 5L", "2026-01-30T00:00"),
    ],
)
def test_days_that_are_counted_within_the_month(days: str, day: str) -> None:
    schedule = Schedule(cron=f"0 0 {days}")
    assert list(complaints(schedule)) == []
    assert first_time(schedule, utc("2026-01-01T00:00"), "a") == utc(day)


class TestIntervals:
    def test_the_first_time_comes_a_little_early_so_that_syncs_made_together_spread(self) -> None:
        dues = [first_time(HOUR, NOW, f"sync-{number}") for number in range(200)]
        late = NOW + timedelta(hours=1)
        assert all(due and late - MAX_EARLY < due <= late for due in dues)
        seconds = sorted((late - due).total_seconds() for due in dues if due)
        assert seconds[50] < 120 < seconds[100] + 60 < 300
        assert len(set(dues)) == 200

    def test_a_short_interval_is_early_by_a_tenth_at_most(self) -> None:
        minute = Schedule(interval=timedelta(minutes=1))
        for number in range(50):
            due = first_time(minute, NOW, str(number))
            assert due is not None
            assert 54 <= (due - NOW).total_seconds() <= 60

    def test_it_is_the_same_for_the_same_sync(self) -> None:
        assert first_time(HOUR, NOW, "a") == first_time(HOUR, NOW, "a")

    @pytest.mark.parametrize(
        ("late", "hours"), [(0, 1), (1, 1), (3599, 1), (3600, 2), (3601, 2), (90000, 26)]
    )
    def test_missed_times_are_left_out_and_the_beat_is_kept(self, late: int, hours: int) -> None:
        following = following_time(HOUR, NOW, NOW + timedelta(seconds=late))
        assert following == NOW + timedelta(hours=hours)


class TestCron:
    def test_it_gets_the_moment_it_names(self) -> None:
        cron = Schedule(cron="30 3 * * *")
        assert first_time(cron, NOW, "a") == utc("2026-03-02T03:30")
        assert first_time(cron, utc("2026-03-02T03:29:59"), "a") == utc("2026-03-02T03:30")
        assert first_time(cron, utc("2026-03-02T03:30"), "a") == utc("2026-03-03T03:30")

    def test_missed_times_are_left_out(self) -> None:
        cron = Schedule(cron="*/10 * * * *")
        assert following_time(cron, NOW, NOW + timedelta(days=2)) == utc("2026-03-03T12:40")

    def test_a_time_that_daylight_saving_time_skips_comes_after_the_gap(self) -> None:
        found = times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", 3)
        assert found == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]

    def test_a_time_that_comes_twice_counts_once(self) -> None:
        found = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)
        assert found == ["10-25 00:30", "10-26 01:30"]

    def test_every_hour_is_every_hour_of_that_day_too(self) -> None:
        found = times("0 * * * *", "Europe/Berlin", "2026-10-24T23:00", 3)
        assert found == ["10-25 00:00", "10-25 01:00", "10-25 02:00"]

    @pytest.mark.parametrize("minute", range(0, 180, 7))
    def test_the_next_time_is_never_in_the_past(self, minute: int) -> None:
        for cron in ("30 2 * * *", "10 2,3 * * *", "0 * * * *", "*/5 2 * * *"):
            now = utc("2026-10-24T23:30") + timedelta(minutes=minute)
            schedule = Schedule(cron=cron, time_zone="Europe/Berlin")
            due = following_time(schedule, now, now)
            assert due is not None
            assert due > now

    @pytest.mark.parametrize(
        "schedule",
        [Schedule(cron="0 3 * * *", time_zone="Gone/Away"), Schedule(cron="no longer understood")],
    )
    def test_what_was_allowed_once_and_is_not_any_more_is_never_due(
        self, schedule: Schedule
    ) -> None:
        assert first_time(schedule, NOW, "a") is None
