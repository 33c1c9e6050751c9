"""SecretSyncService: schedules of syncs."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from refusals import invalid_fields
from service_kit import Service, wait_for

from secretsync.v1 import secret_sync_service_pb2 as pb

HOUR = pb.Schedule(interval=Duration(seconds=3600))
NIGHT = pb.Schedule(cron="30 3 * * *", time_zone="Europe/Berlin")


def next_run(sync: pb.SecretSync) -> datetime:
    assert sync.HasField("next_run_time")
    return sync.next_run_time.ToDatetime(tzinfo=UTC)


async def test_a_sync_shows_its_schedule_and_when_it_is_due(shop: Service) -> None:
    before = datetime.now(UTC)
    made = await shop.add_sync(schedule=HOUR, is_auto_sync_enabled=False)
    assert made.schedule == HOUR
    assert timedelta(minutes=54) <= next_run(made) - before <= timedelta(minutes=61)
    assert await shop.sync() == made
    assert await shop.runs() == []


async def test_without_a_schedule_there_is_none(shop: Service) -> None:
    made = await shop.add_sync()
    assert not made.HasField("schedule")
    assert not made.HasField("next_run_time")


async def test_a_schedule_is_changed_as_a_whole_and_taken_away(shop: Service) -> None:
    await shop.add_sync(schedule=HOUR)
    runs = await shop.quiet()
    changed = await shop.update_sync(schedule=NIGHT)
    assert changed.schedule == NIGHT
    # 3:30 in Berlin is 1:30 or 2:30 in UTC.
    assert (next_run(changed).hour, next_run(changed).minute) in {(1, 30), (2, 30)}
    daily = await shop.update_sync(["schedule"], schedule=pb.Schedule(cron="30 3 * * *"))
    assert daily.schedule == pb.Schedule(cron="30 3 * * *")
    gone = await shop.update_sync(["schedule"])
    assert not gone.HasField("schedule")
    assert not gone.HasField("next_run_time")
    # None of it says anything of what the destination is to hold.
    assert await shop.runs() == runs


async def test_other_changes_leave_the_time_alone_and_disabling_takes_it(shop: Service) -> None:
    made = await shop.add_sync(schedule=HOUR)
    renamed = await shop.update_sync(description="new")
    assert renamed.next_run_time == made.next_run_time
    off = await shop.update_sync(is_enabled=False)
    assert off.schedule == HOUR
    assert not off.HasField("next_run_time")
    on = await shop.update_sync(is_enabled=True)
    assert next_run(on) > next_run(made)


@pytest.mark.parametrize(
    ("schedule", "fields"),
    [
        (pb.Schedule(), {"schedule"}),
        (pb.Schedule(time_zone="Mars"), {"schedule", "schedule.time_zone"}),
        (pb.Schedule(interval=Duration(seconds=59)), {"schedule.interval"}),
        (pb.Schedule(interval=Duration(seconds=2**62)), {"schedule.interval"}),
        (pb.Schedule(interval=Duration(seconds=-60)), {"schedule.interval"}),
        (pb.Schedule(interval=Duration(seconds=60), time_zone="UTC"), {"schedule.time_zone"}),
        (pb.Schedule(cron=""), {"schedule"}),
        (
            pb.Schedule(cron="0 0 31 2 *", time_zone="Atlantis"),
            {"schedule.cron", "schedule.time_zone"},
        ),
    ],
)
async def test_what_is_wrong_with_it_is_told_at_once(
    shop: Service, schedule: pb.Schedule, fields: set[str]
) -> None:
    await shop.add_sync()
    before = shop.dump()
    wanted = {f"secret_sync.{field}" for field in fields}
    found = await invalid_fields(shop.add_sync("other", schedule=schedule))
    assert found.keys() == wanted
    found = await invalid_fields(
        shop.update_sync(["schedule", "description"], schedule=schedule, description="x" * 257)
    )
    assert found.keys() == {*wanted, "secret_sync.description"}
    await shop.settled()
    assert shop.dump().keys() == before.keys()
    assert not (await shop.sync()).HasField("schedule")


async def test_a_due_sync_runs_with_the_trigger_schedule(shop: Service) -> None:
    await shop.put({"K": "v"})
    await shop.add_sync(schedule=HOUR, is_auto_sync_enabled=False)
    await shop.tamper("UPDATE secret_syncs SET next_run_time = '2020-01-01T00:00:00.000000Z'")
    shop.server.app.engine.wake()

    async def ran() -> list[pb.SyncRun] | None:
        return await shop.runs() or None

    await wait_for(ran)
    [run] = await shop.quiet()
    assert (run.trigger, run.counts.created) == (pb.RUN_TRIGGER_SCHEDULE, 1)
    listed = await shop.syncs.ListSyncRuns(
        pb.ListSyncRunsRequest(
            parent="projects/shop/secretSyncs/web", triggers=[pb.RUN_TRIGGER_SCHEDULE]
        )
    )
    assert [each.name for each in listed.sync_runs] == [run.name]
    assert next_run(await shop.sync()) > datetime.now(UTC)
