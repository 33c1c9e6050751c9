"""The log tells exceptions by type and place, never by their text."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from secretsync.logs import (
    MAX_CAUSES,
    MAX_PLACES,
    configure,
    describe_exception,
    tell_unhandled,
)

SECRET = "hunter2"


class Telling(Exception):  # noqa: N818
    """Says the secret in every way an exception can."""

    def __str__(self) -> str:
        return SECRET

    def __bool__(self) -> bool:
        return False


def caught(raise_it: Callable[[], object]) -> BaseException:
    try:
        raise_it()
    except Exception as error:  # noqa: BLE001  whatever it is
        return error
    pytest.fail("nothing was raised")


def tell() -> None:
    raise Telling(SECRET)


def from_cause() -> None:
    try:
        tell()
    except Telling as error:
        raise ValueError(SECRET) from error


def from_context() -> None:
    try:
        tell()
    except Telling:
        raise ValueError(SECRET)  # noqa: B904  this is what foreign code does


def from_none() -> None:
    try:
        tell()
    except Telling:
        raise ValueError(SECRET) from None


@pytest.mark.parametrize("raise_it", [from_cause, from_context])
def test_type_place_and_causes_are_told_and_no_text(raise_it: Callable[[], None]) -> None:
    told = describe_exception(caught(raise_it))
    assert told.startswith("builtins.ValueError at ")
    assert ", caused by " in told
    assert "Telling at " in told
    assert f"{__file__}:" in told
    assert SECRET not in told


def test_a_cause_that_was_suppressed_is_not_told() -> None:
    told = describe_exception(caught(from_none))
    assert "Telling" not in told
    assert SECRET not in told


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert describe_exception(KeyError(SECRET)) == "builtins.KeyError at unknown place"


def test_groups_notes_and_libraries_give_nothing_away() -> None:
    error = ExceptionGroup(SECRET, [ValueError(SECRET)])
    error.add_note(SECRET)
    assert SECRET not in describe_exception(error)
    # This library quotes the header that it finds illegal.
    header = caught(lambda: httpx.Request("GET", "http://a", headers={"k": "\u2603" + SECRET}))
    assert SECRET not in describe_exception(header)


def test_causes_in_a_circle_come_to_an_end() -> None:
    one, other = ValueError(SECRET), KeyError(SECRET)
    one.__cause__, other.__cause__ = other, one
    assert describe_exception(one).count("caused by") == 1


def test_long_histories_are_cut() -> None:
    first = error = ValueError(SECRET)
    for _ in range(5000):
        error.__cause__ = ValueError(SECRET)
        error = error.__cause__
    assert describe_exception(first).count("ValueError") == MAX_CAUSES

    def endless() -> None:
        endless()

    assert describe_exception(caught(endless)).count("endless") == MAX_PLACES


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def configure_here() -> None:
    """Log as the server does, to the stderr of the test."""
    configure("debug")
    for handler in logging.getLogger().handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(sys.stderr)


@pytest.mark.usefixtures("_logging_as_it_was")
def test_debug_does_not_let_libraries_print_headers(capsys: pytest.CaptureFixture[str]) -> None:
    configure_here()
    logging.getLogger("httpcore.http11").debug("send_request_headers %s", SECRET)
    logging.getLogger("httpx").info("HTTP Request %s", SECRET)
    logging.getLogger("secretsync").debug("seen")
    told = capsys.readouterr().err
    assert "DEBUG secretsync seen" in told
    assert SECRET not in told


@pytest.mark.usefixtures("_logging_as_it_was")
def test_a_message_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_here()
    text = "no\n2026-11-22 INFO forged \x1b[2J\u202e \u00fc"
    logging.getLogger("secretsync").info("failed: %s", text)
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("failed: no\\n2026-11-22 INFO forged \\x1b[2J\\u202e \u00fc")


@pytest.mark.usefixtures("_logging_as_it_was")
def test_exceptions_that_others_log_are_told_without_their_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_here()
    logger = logging.getLogger("plugin")
    try:
        from_cause()
    except ValueError:
        logger.exception("it failed")
    logger.error("nothing failed", exc_info=True)  # noqa: LOG014  foreign code may do that
    told = capsys.readouterr().err
    assert "it failed\nbuiltins.ValueError at " in told
    assert ", caused by " in told
    assert told.endswith("nothing failed\nno exception\n")
    assert SECRET not in told


@pytest.mark.usefixtures("_logging_as_it_was")
async def test_what_an_event_loop_tells_has_no_texts(capsys: pytest.CaptureFixture[str]) -> None:
    configure_here()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unhandled)

    async def fail() -> None:
        tell()

    def called_back(_: str) -> None:
        tell()

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    del task
    gc.collect()
    loop.call_exception_handler({"message": "something odd"})
    loop.call_soon(called_back, SECRET)
    await asyncio.sleep(0)
    told = capsys.readouterr().err
    assert "Task exception was never retrieved: " in told
    assert "Telling at " in told
    assert "something odd: no exception" in told
    assert "Exception in callback: " in told
    assert "called_back" in told
    assert SECRET not in told
