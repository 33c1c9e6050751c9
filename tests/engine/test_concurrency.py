"""How many runs are under way at the same time, and which must wait for which."""

from engine_kit import Gate, World

from secretsync.domain.entities import RunAction, RunState


async def test_runs_on_one_target_come_one_after_another(world: World) -> None:
    syncs = [
        await world.add_sync(f"s{number}", destination_config={"place": "x", "scope": str(number)})
        for number in range(5)
    ]
    runs = [await world.enqueue(sync) for sync in syncs]
    await world.start()
    for run in runs:
        assert (await world.ended(run)).state is RunState.SUCCEEDED
    assert world.memory.overlaps == []
    assert world.memory.most == 1
    assert len(world.memory.at("x").rows) == 5


async def test_a_busy_target_does_not_hold_others_up(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    first = await world.add_sync("first", destination_config={"place": "x", "scope": "1"})
    second = await world.add_sync("second", destination_config={"place": "x", "scope": "2"})
    other = await world.add_sync("other")
    await world.start()
    for sync in (first, second, other):
        await world.enqueue(sync)
    await gate.reached(2)
    assert sorted(gate.waiting) == ["other", "x"]
    # A removal of the same sync waits too.
    removal = await world.enqueue(first, RunAction.REMOVE)
    gate.open()
    await world.ended(removal)
    assert world.memory.overlaps == []


async def test_at_most_so_many_per_connection(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    await world.disk.write(lambda tx: world.add_connection(tx, "spare"))
    busy = [await world.add_sync(f"busy{number}") for number in range(4)]
    spare = await world.add_sync("spare", connection_uid="c-spare", connection="spare")
    await world.start(max_runs_per_connection=2)
    runs = [await world.enqueue(sync) for sync in [*busy, spare]]
    await gate.reached(3)
    assert sorted(gate.waiting) == ["busy0", "busy1", "spare"]
    gate.open()
    for run in runs:
        await world.ended(run)
    assert world.memory.most == 3


async def test_at_most_so_many_in_all(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    syncs = [await world.add_sync(f"s{number}") for number in range(5)]
    await world.start(max_runs=2)
    runs = [await world.enqueue(sync) for sync in syncs]
    await gate.reached(2)
    states = [(await world.run(run)).state for run in runs]
    assert states.count(RunState.RUNNING) == 2
    assert states.count(RunState.PENDING) == 3
    gate.open()
    for run in runs:
        assert (await world.ended(run)).state is RunState.SUCCEEDED
    assert world.memory.most == 2


async def test_the_oldest_run_comes_first(world: World) -> None:
    syncs = [await world.add_sync(name) for name in ("c", "a", "b")]
    runs = [await world.enqueue(sync) for sync in syncs]
    await world.start(max_runs=1)
    for run in runs:
        await world.ended(run)
    assert [place for place, _ in world.memory.calls] == ["c", "a", "b"]


async def test_progress_is_told_while_a_run_is_under_way(world: World) -> None:
    gate = Gate()
    world.memory.steps["begin"] = gate
    sync = await world.add_sync()
    await world.start()
    run = await world.enqueue(sync)
    await gate.reached()
    [request] = world.memory.requests
    progress = world.engine.progress(run.uid)
    assert progress
    assert (progress.step, progress.done, progress.total) == ("resolving", 0, 0)
    request.report_progress("writing", 1, 3)
    progress = world.engine.progress(run.uid)
    assert progress
    assert (progress.step, progress.done, progress.total) == ("writing", 1, 3)
    gate.open()
    await world.engine.attempt_ended(timeout=20)
    assert (await world.run(run)).state is RunState.SUCCEEDED
    await world.engine.stop(grace=20)
    assert world.engine.progress(run.uid) is None


async def test_waiting_for_an_attempt_gives_up_in_time(world: World) -> None:
    await world.start()
    await world.engine.attempt_ended(timeout=0.001)
    assert world.memory.calls == []
