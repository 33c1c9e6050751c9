"""`secretsync sync`: the options of schedules."""

from datetime import timedelta

import pytest
from cli_kit import OCTOPUS, FakeServer, Run
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.cli.lengths import interval_text
from secretsync.v1.connection_service_pb2 import Connection
from secretsync.v1.secret_sync_service_pb2 import (
    CreateSecretSyncRequest,
    Schedule,
    SecretSync,
    UpdateSecretSyncRequest,
)

NAME = "projects/shop/secretSyncs/dev"
CREATE = ["sync", "create", "dev", "--connection", "octopus", "-e", "dev"]


@pytest.fixture(autouse=True)
def _octopus(server: FakeServer) -> None:
    server.replies["GetConnection"] = Connection(destination="destinations/octopus-deploy")
    server.replies["GetDestination"] = OCTOPUS


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43200), ("7d", 604800), ("1d12h5s", 129605)]
)
def test_an_interval_is_written_with_units(
    server: FakeServer, run: Run, text: str, seconds: int
) -> None:
    assert run(*CREATE, "--every", text).code == 0
    request = server.only("CreateSecretSync", CreateSecretSyncRequest)
    assert request.secret_sync.schedule.interval.seconds == seconds


def test_a_cron_expression_goes_with_its_time_zone(server: FakeServer, run: Run) -> None:
    result = run("sync", "update", "dev", "--cron", "30 3 * * *", "--time-zone", "Europe/Berlin")
    assert result.code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert request.update_mask.paths == ["schedule"]
    assert request.secret_sync == SecretSync(
        name=NAME, schedule=Schedule(cron="30 3 * * *", time_zone="Europe/Berlin")
    )


def test_a_schedule_is_taken_away(server: FakeServer, run: Run) -> None:
    assert run("sync", "update", "dev", "--no-schedule").code == 0
    request = server.only("UpdateSecretSync", UpdateSecretSyncRequest)
    assert request.update_mask.paths == ["schedule"]
    assert not request.secret_sync.HasField("schedule")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--every", "1h", "--cron", "0 3 * * *"], "exclude each other"),
        (["--every", "1h", "--no-schedule"], "exclude each other"),
        (["--time-zone", "UTC"], "--time-zone belongs to --cron"),
        (["--every", "1 hour"], "is no length of time: write it like 90m"),
        (["--every", ""], "is no length of time"),
        (["--every", "999999999d999999999d"], "is too long"),
    ],
)
def test_what_does_not_go_together_is_refused(
    server: FakeServer, run: Run, options: list[str], told: str
) -> None:
    result = run("sync", "update", "dev", *options)
    assert result.code != 0
    assert told in result.err
    assert server.methods == []


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (Schedule(cron="30 3 * * *"), "30 3 * * * (UTC)"),
        (Schedule(cron="30 3 * * *", time_zone="Asia/Tokyo"), "30 3 * * * (Asia/Tokyo)"),
        (None, "none"),
    ],
)
def test_get_shows_it(server: FakeServer, run: Run, schedule: Schedule | None, told: str) -> None:
    due = Timestamp(seconds=1772368200) if schedule else None
    server.replies["GetSecretSync"] = SecretSync(name=NAME, schedule=schedule, next_run_time=due)
    lines = run("sync", "get", "dev").out.splitlines()
    [shown] = [line for line in lines if line.startswith("Schedule ")]
    assert shown.split(maxsplit=1)[1] == told
    [shown] = [line for line in lines if line.startswith("Next run ")]
    assert ("2026-03-01" in shown) == (schedule is not None)


@pytest.mark.parametrize(
    ("interval", "told"),
    [
        (timedelta(hours=1), "1 hour"),
        (timedelta(days=2, minutes=30), "2 days 30 minutes"),
        (timedelta(seconds=61), "1 minute 1 second"),
        (timedelta(milliseconds=500), "0.5 seconds"),
    ],
)
def test_intervals_in_words(interval: timedelta, told: str) -> None:
    assert interval_text(interval) == told
