"""The options of `run list` that say which runs to show."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import update_wrapper

import click
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.cli.lengths import read_length
from secretsync.cli.words import enum_text
from secretsync.v1.secret_sync_service_pb2 import ListSyncRunsRequest, RunState, RunTrigger


def _moment(ctx: click.Context, param: click.Parameter, text: str | None) -> Timestamp | None:
    """Return the time that an option names; one without a time zone is of the local one."""
    if text is None:
        return None
    moment = Timestamp()
    try:
        age = read_length(text)
        when = datetime.now(UTC) - age if age is not None else datetime.fromisoformat(text)
        moment.FromDatetime(when.astimezone(UTC))
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time: write it like 2026-03-01T12:00:00Z, or how long ago it was"
            " like 90m, 12h or 7d",
            ctx,
            param,
        ) from None
    return moment


def _words(enum: EnumDescriptor, prefix: str) -> list[str]:
    """Return the words for an enum's values."""
    return [enum_text(enum, number, prefix) for number in enum.values_by_number if number != 0]


def _name(word: str, prefix: str) -> str:
    """Return the name of the value that a word stands for."""
    return prefix + word.upper().replace("-", "_")


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the filters of runs, as one argument `only`: a request that has just them."""

    def with_filter(
        *args: object,
        states: tuple[str, ...],
        triggers: tuple[str, ...],
        since: Timestamp | None,
        until: Timestamp | None,
        **options: object,
    ) -> None:
        only = ListSyncRunsRequest(
            states=[RunState.Value(_name(word, "RUN_STATE_")) for word in states],
            triggers=[RunTrigger.Value(_name(word, "RUN_TRIGGER_")) for word in triggers],
            start_create_time=since,
            end_create_time=until,
        )
        command(*args, only=only, **options)

    decorated = update_wrapper(with_filter, command)
    for option in (
        click.option(
            "--until",
            metavar="TIME",
            callback=_moment,
            help="Only runs that were queued before this time.",
        ),
        click.option(
            "--since",
            metavar="TIME",
            callback=_moment,
            help="Only runs that were queued at this time or later: 2026-03-01T12:00:00Z, or how"
            " long ago, such as 90m, 12h or 7d.",
        ),
        click.option(
            "--trigger",
            "triggers",
            type=click.Choice(_words(RunTrigger.DESCRIPTOR, "RUN_TRIGGER_")),
            multiple=True,
            help="Only runs with this trigger. Can be given several times.",
        ),
        click.option(
            "--state",
            "states",
            type=click.Choice(_words(RunState.DESCRIPTOR, "RUN_STATE_")),
            multiple=True,
            help="Only runs in this state. Can be given several times.",
        ),
    ):
        decorated = option(decorated)
    return decorated
