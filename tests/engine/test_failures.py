"""What becomes of a run that fails: which errors are tried again, when, and what is told."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from engine_kit import RETRY, START, Gate, World

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    RunRequest,
    RunResult,
    Unavailable,
    Unsupported,
    hookimpl,
)
from secretsync.domain.entities import Connection, RunAction, RunState, RunTrigger
from secretsync.domain.problems import Reason
from secretsync.store.protocol import Transaction

SECRET = "hunter2"


class Failing:
    """A step that raises what it is given, as often as it is told."""

    def __init__(self, error: BaseException, times: int = 10**6) -> None:
        self.error = error
        self.left = times

    async def __call__(self, request: RunRequest) -> None:
        del request
        if self.left:
            self.left -= 1
            raise self.error


class TestTransientErrors:
    @pytest.mark.parametrize("kind", [Conflict, RateLimited, Unavailable])
    async def test_they_are_tried_again_after_a_pause(
        self, world: World, kind: type[AdapterError]
    ) -> None:
        world.memory.steps["begin"] = Failing(kind("not now"), times=2)
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        for attempt, longest in [(1, 4), (2, 8)]:
            waiting = await world.failed_attempt(run, attempt)
            pause = waiting.not_before - world.clock.now
            assert timedelta(seconds=longest / 2) <= pause <= timedelta(seconds=longest)
            assert waiting.message == f"attempt {attempt} of 3 failed, will try again: not now"
            # A moment too early nothing happens.
            world.clock.advance(pause.total_seconds() - 0.001)
            world.engine.wake()
            assert (
                await world.disk.write(lambda tx: tx.runs.claim(world.clock.now, START, 5)) is None
            )
            world.clock.advance(0.001)
            world.engine.wake()
        ended = await world.ended(run)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 3)
        assert len(world.memory.calls) == 3

    async def test_pauses_are_not_all_alike(self, world: World) -> None:
        world.memory.steps["begin"] = Failing(Unavailable("not now"))
        syncs = [await world.add_sync(f"s{number}") for number in range(4)]
        await world.start()
        runs = [await world.enqueue(sync) for sync in syncs]
        waiting = [await world.failed_attempt(run, 1) for run in runs]
        assert len({run.not_before for run in waiting}) == 4

    @pytest.mark.parametrize("kind", [RateLimited, Unavailable])
    async def test_retry_after_is_honoured(
        self, world: World, kind: type[RateLimited | Unavailable]
    ) -> None:
        world.memory.steps["begin"] = Failing(kind("slow down", retry_after=1000), times=1)
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        waiting = await world.failed_attempt(run, 1)
        assert timedelta(seconds=1000) <= waiting.not_before - START <= timedelta(seconds=1004)

    @pytest.mark.parametrize("retry_after", [1e300, float("inf")])
    async def test_a_pause_beyond_all_measure_is_a_day(
        self, world: World, retry_after: float
    ) -> None:
        world.memory.steps["begin"] = Failing(
            RateLimited("never", retry_after=retry_after), times=1
        )
        sync = await world.add_sync()
        await world.start()
        waiting = await world.failed_attempt(await world.enqueue(sync), 1)
        assert timedelta(days=1) <= waiting.not_before - START <= timedelta(days=1, seconds=4)

    async def test_the_last_attempt_is_the_end(self, world: World) -> None:
        world.memory.steps["begin"] = Failing(Unavailable("not now"))
        sync = await world.add_sync()
        await world.start()
        run = await world.enqueue(sync)
        for attempt in (1, 2):
            await world.failed_attempt(run, attempt)
            world.clock.advance(60)
            world.engine.wake()
        ended = await world.ended(run)
        assert (ended.state, ended.attempt) == (RunState.FAILED, 3)
        assert ended.error_reason is Reason.DESTINATION_UNAVAILABLE
        assert ended.message == "not now (gave up after 3 attempts)"
        assert len(world.memory.calls) == 3

    async def test_an_attempt_that_takes_too_long_is_tried_again(self, world: World) -> None:
        world.memory.steps["begin"] = Gate()
        sync = await world.add_sync()
        await world.start(attempt_timeout=0.02)
        waiting = await world.failed_attempt(await world.enqueue(sync), 1)
        assert waiting.message.endswith("will try again: the destination took longer than 0.02 s")

    async def test_requests_of_an_attempt_that_took_too_long_are_kept(self, world: World) -> None:
        gate = Gate()

        async def call_and_wait(request: RunRequest) -> None:
            await asyncio.gather(
                request.http.get("http://127.0.0.1:9/nothing"), return_exceptions=True
            )
            await gate(request)

        world.memory.steps["begin"] = call_and_wait
        sync = await world.add_sync()
        await world.start(attempt_timeout=1.0)
        waiting = await world.failed_attempt(await world.enqueue(sync), 1)
        assert [each.path for each in waiting.outcome.http_requests] == ["/nothing"]


class TestNewerRuns:
    async def test_a_waiting_run_takes_a_failed_ones_place(self, world: World) -> None:
        gate = Gate()

        async def wait_and_fail(request: RunRequest) -> None:
            if not gate.waiting:
                await gate(request)
                raise RateLimited("slow down", retry_after=100)

        world.memory.steps["begin"] = wait_and_fail
        sync = await world.add_sync()
        await world.start()
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        gate.open()
        ended = await world.ended(first)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        # It keeps to the pause and the count that the failed one has earned.
        waiting = await world.run(second)
        assert (waiting.state, waiting.attempt) == (RunState.PENDING, 1)
        assert waiting.not_before >= START + timedelta(seconds=100)
        world.clock.advance(200)
        world.engine.wake()
        ended = await world.ended(second)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 2)

    async def test_a_removal_that_must_be_tried_again_is_not_lost_to_a_change(
        self, world: World
    ) -> None:
        sync = await world.add_sync()
        await world.start()
        await world.sync(sync)
        gate = Gate()

        async def wait_and_fail(request: RunRequest) -> None:
            if not gate.waiting:
                await gate(request)
                raise Unavailable("not now")

        world.memory.steps["begin"] = wait_and_fail
        removal = await world.enqueue(sync, RunAction.REMOVE)
        await gate.reached()
        await world.enqueue(sync, trigger=RunTrigger.SOURCE_CHANGE)
        gate.open()
        await world.failed_attempt(removal, 1)
        world.clock.advance(60)
        world.engine.wake()
        assert (await world.ended(removal)).state is RunState.SUCCEEDED
        assert world.memory.at("main").rows == {}

    async def test_after_the_last_attempt_the_newer_run_begins_anew(self, world: World) -> None:
        gate = Gate()

        async def wait_and_fail(request: RunRequest) -> None:
            if not gate.waiting:
                await gate(request)
                raise Unavailable("not now")

        world.memory.steps["begin"] = wait_and_fail
        sync = await world.add_sync()
        await world.start(retry=replace(RETRY, max_attempts=1))
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        gate.open()
        assert (await world.ended(first)).error_reason is Reason.DESTINATION_UNAVAILABLE
        ended = await world.ended(second)
        assert (ended.state, ended.attempt) == (RunState.SUCCEEDED, 1)


class TestTerminalErrors:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (AuthenticationFailed("the key is wrong"), Reason.AUTHENTICATION_FAILED),
            (PermissionDenied("no VariableEdit"), Reason.DESTINATION_PERMISSION_DENIED),
            (NotFound("no project", field="place"), Reason.DESTINATION_NOT_FOUND),
            (Unsupported("cannot"), Reason.UNSUPPORTED),
            (InvalidConfig("bad"), Reason.DESTINATION_CONFIG_INVALID),
        ],
    )
    async def test_they_are_not_tried_again(
        self, world: World, error: AdapterError, reason: Reason
    ) -> None:
        world.memory.steps["begin"] = Failing(error)
        sync = await world.add_sync()
        await world.start()
        ended = await world.sync(sync)
        assert (ended.state, ended.error_reason, ended.attempt) == (RunState.FAILED, reason, 1)
        assert ended.message == error.message
        assert len(world.memory.calls) == 1

    @pytest.mark.parametrize(
        ("words", "hint", "told"),
        [
            ("bad", "mend it", "bad (mend it): scope: unknown; place: gone"),
            ("It is bad.", "", "It is bad. scope: unknown; place: gone"),
            ("It is bad.", "Mend it.", "It is bad. (Mend it.) scope: unknown; place: gone"),
        ],
    )
    async def test_violations_are_part_of_the_message(
        self, world: World, words: str, hint: str, told: str
    ) -> None:
        error = InvalidConfig(words, violations={"scope": "unknown", "place": "gone"}, hint=hint)
        world.memory.steps["begin"] = Failing(error)
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert ended.message == told

    async def test_the_newer_run_is_executed_all_the_same(self, world: World) -> None:
        gate = Gate()

        async def wait_and_fail(request: RunRequest) -> None:
            if not gate.waiting:
                await gate(request)
                raise PermissionDenied("no")

        world.memory.steps["begin"] = wait_and_fail
        sync = await world.add_sync()
        await world.start()
        first = await world.enqueue(sync)
        await gate.reached()
        second = await world.enqueue(sync)
        gate.open()
        assert (await world.ended(first)).state is RunState.FAILED
        assert (await world.ended(second)).state is RunState.SUCCEEDED


class TestUnexpectedErrors:
    @pytest.mark.parametrize(
        ("error", "name"),
        [
            (ValueError(f"cannot send {SECRET}"), "ValueError"),
            (TimeoutError(SECRET), "TimeoutError"),
            (SystemExit(SECRET), "SystemExit"),
            (asyncio.CancelledError(SECRET), "CancelledError"),
        ],
    )
    async def test_they_are_internal_without_their_text(
        self, world: World, caplog: pytest.LogCaptureFixture, error: BaseException, name: str
    ) -> None:
        caplog.set_level(logging.DEBUG)
        world.memory.steps["begin"] = Failing(error)
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.INTERNAL)
        assert ended.message.startswith(f"an unexpected error ({name}); the server's log has more")
        assert SECRET not in ended.message
        assert SECRET not in caplog.text
        # Whoever reads the log finds the place by what the message tells.
        [logged] = [each for each in caplog.messages if each.startswith("unexpected error")]
        assert ended.message.rsplit(" ", 1)[1] in logged
        assert name in logged

    async def test_an_error_that_is_malformed_itself_is_internal(self, world: World) -> None:
        error = RateLimited("slow down", retry_after="soon")  # type: ignore[arg-type]
        world.memory.steps["begin"] = Failing(error)
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.INTERNAL)

    @pytest.mark.parametrize(
        "spoil",
        [
            # The same identity twice, a digest that is none, and text that no database takes.
            lambda result: replace(result, ledger=result.ledger * 2),
            lambda result: replace(
                result, ledger=[replace(each, digest=object()) for each in result.ledger]
            ),
            lambda result: replace(result, warnings=("\ud800",)),
            lambda result: replace(result, ledger=None),
        ],
    )
    async def test_a_result_that_cannot_be_stored_ends_the_run(
        self, world: World, spoil: Callable[[RunResult], RunResult]
    ) -> None:
        plugin = world.memory

        class Spoiling(type(plugin)):  # type: ignore[misc]
            @hookimpl
            async def sync(self, request: object) -> RunResult:
                return spoil(await plugin.sync(request))  # type: ignore[arg-type]

        world.registry._loaded.clear()
        world.registry._manager.unregister(plugin)
        world.registry.register(Spoiling(), "memory")
        sync = await world.add_sync()
        await world.start()
        ended = await world.sync(sync)
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.INTERNAL)
        # What it wrote is not certain, and what was about to be created is still known, for the
        # run that comes next.
        assert ended.may_have_written
        assert [entry.confirmed for entry in await world.ledger(sync)] == [False]

    async def test_a_hook_that_returns_something_else_is_internal(self, world: World) -> None:
        async def nothing(*_: object) -> None: ...

        world.memory._converge = nothing  # type: ignore[method-assign,assignment]
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert ended.error_reason is Reason.INTERNAL
        assert "TypeError" in ended.message


class TestBeforeTheDestination:
    async def test_a_source_that_has_vanished_fails_the_run_and_changes_nothing(
        self, world: World
    ) -> None:
        await world.start()
        ended = await world.sync(await world.add_sync(secret_path="/gone"))
        assert (ended.state, ended.error_reason) == (RunState.FAILED, Reason.SOURCE_NOT_FOUND)
        assert world.memory.calls == []

    async def test_duplicates_in_a_subtree_are_told(self, world: World) -> None:
        await world.start()
        ended = await world.sync(await world.add_sync(recursive=True))
        assert ended.error_reason is Reason.DUPLICATE_SECRETS
        assert world.memory.calls == []

    async def test_keys_that_the_destination_takes_for_one_are_told(self, world: World) -> None:
        await world.set_value("k", "1")
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert ended.error_reason is Reason.DUPLICATE_SECRETS
        assert "'K' and 'k'" in ended.message

    async def test_a_secret_that_cannot_be_decrypted_fails_the_run(self, world: World) -> None:
        def damage(tx: Transaction) -> None:
            sync = tx.syncs.by_uid("y-main")
            assert sync
            [secret] = tx.secrets.in_folder(sync.source)
            tx.secrets.put([replace(secret, sealed_value=b"\x01damaged")])

        sync = await world.add_sync()
        await world.disk.write(damage)
        await world.start()
        ended = await world.sync(sync)
        assert ended.error_reason is Reason.SOURCE_UNRESOLVED
        assert "'K' in /" in ended.message
        assert world.memory.calls == []

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (
                lambda connection: replace(connection, sealed_credentials=b"\x01"),
                Reason.AUTHENTICATION_FAILED,
            ),
            (lambda connection: replace(connection, method="oidc"), Reason.INVALID_FIELDS),
            (
                lambda connection: replace(connection, destination="gone"),
                Reason.DESTINATION_NOT_LOADED,
            ),
        ],
    )
    async def test_credentials_that_cannot_be_used_fail_the_run(
        self, world: World, damage: Callable[[Connection], Connection], reason: Reason
    ) -> None:
        def break_it(tx: Transaction) -> None:
            connection = tx.connections.by_uid("c-main")
            assert connection
            tx.connections.update(damage(connection))

        await world.disk.write(break_it)
        await world.start()
        ended = await world.sync(await world.add_sync())
        assert (ended.state, ended.error_reason) == (RunState.FAILED, reason)

    async def test_a_configuration_that_the_plugin_does_not_take_any_more_is_told(
        self, world: World
    ) -> None:
        await world.start()
        ended = await world.sync(await world.add_sync(destination_config={"place": "x", "old": 1}))
        assert ended.error_reason is Reason.INVALID_FIELDS
        assert "destination_config.old" in ended.message
