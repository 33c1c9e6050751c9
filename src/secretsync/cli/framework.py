"""What every command is made of: the global options, help with examples, groups loaded late."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from importlib import import_module
from typing import Any

import click

DEFAULT_ADDRESS = "127.0.0.1:8470"
CALL_TIMEOUT = 150.0
"""Seconds that a call may take unless `--timeout` says otherwise; some call a destination, and the
server gives that 120 by default."""
WAIT_TIMEOUT = 600.0
"""Seconds to wait for a run unless `--timeout` says otherwise."""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(slots=True)
class State:
    """The values of the global options, wherever on the command line they were given.

    Attributes:
        address: where the server listens, HOST:PORT.
        project: the project that short names belong to, a slug or `projects/{project}`.
        json: whether output is for programs.
        timeout: seconds that a call, or the wait for a run, may take.
    """

    address: str = DEFAULT_ADDRESS
    project: str | None = None
    json: bool = False
    timeout: float | None = None

    @property
    def call_timeout(self) -> float:
        """Seconds that one call may take."""
        return self.timeout or CALL_TIMEOUT

    @property
    def wait_timeout(self) -> float:
        """Seconds that waiting for a run may take."""
        return self.timeout or WAIT_TIMEOUT


def _store(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep the value of a global option, unless it was not given at this place."""
    if value is not None and param.name is not None:
        setattr(ctx.ensure_object(State), param.name, value)


def global_options(*, environment: bool = False) -> dict[str, click.Option]:
    """Return the options that work before and after a command's name, by their names.

    Args:
        environment: whether they are taken from the environment too. Only the outermost group
            does that: what is given on the command line must win.
    """

    def option(flag: str, **attributes: Any) -> click.Option:  # noqa: ANN401 -- click's own
        if not environment:
            attributes.pop("envvar", None)
        return click.Option([flag], expose_value=False, callback=_store, default=None, **attributes)

    return {
        "address": option(
            "--address",
            metavar="HOST:PORT",
            envvar="SECRETSYNC_ADDRESS",
            help=f"Where the server listens (env SECRETSYNC_ADDRESS; default {DEFAULT_ADDRESS}).",
        ),
        "project": option(
            "--project",
            metavar="SLUG",
            envvar="SECRETSYNC_PROJECT",
            help="The project that short names belong to (env SECRETSYNC_PROJECT).",
        ),
        "timeout": option(
            "--timeout",
            metavar="SECONDS",
            type=click.FloatRange(min=0, min_open=True),
            help=f"Limit for a call (default {CALL_TIMEOUT:g}), and for waiting for a run "
            f"(default {WAIT_TIMEOUT:g}).",
        ),
        "json": option("--json", is_flag=True, flag_value=True, help="Output for programs."),
    }


class Command(click.Command):
    """A command that accepts the global options too, and whose help ends with examples.

    Args:
        example: command lines that show how it is used, one per line.
        accepts: names of the global options that mean something to it. Default: all.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 -- click's own
        example: str = "",
        accepts: Sequence[str] = ("address", "project", "timeout", "json"),
        **attributes: Any,  # noqa: ANN401
    ) -> None:
        attributes.setdefault("context_settings", HELP_OPTIONS)
        super().__init__(*args, **attributes)
        self.example = example
        available = global_options()
        self._global = [available[name] for name in accepts]
        self.params.extend(self._global)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            # Arguments are in the usage line, and explained in the text.
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                (shared if param in self._global else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        if shared:
            with formatter.section("Global options"):
                formatter.write_dl(shared)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are."""
        del ctx
        if self.example:
            with formatter.section("Examples"):
                for line in self.example.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def __init__(self, *args: Any, **attributes: Any) -> None:  # noqa: ANN401 -- click's own
        attributes.setdefault("context_settings", HELP_OPTIONS)
        super().__init__(*args, **attributes)


@dataclass(frozen=True, slots=True)
class LateCommand:
    """A command that is imported when it is called, so that others start fast.

    Attributes:
        module: the module that has it.
        attribute: its name there.
        short_help: the line about it in the help of the group.
    """

    module: str
    attribute: str
    short_help: str


class LateGroup(Group):
    """A group that imports its commands when they are called.

    Args:
        late: its commands by name, in the order of the help.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 -- click's own
        late: Mapping[str, LateCommand],
        **attributes: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **attributes)
        self.late = late

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(self.late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        del ctx
        entry = self.late.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 -- tells mypy what the table says
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in self.late.items()])


@dataclass(frozen=True, slots=True)
class Change:
    """What the options of every command that changes something say.

    Attributes:
        validate_only: check everything and change nothing.
        request_id: makes a repeat of the request safe; empty for no such protection.
    """

    validate_only: bool
    request_id: str


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--dry-run` and `--request-id`, as one argument `change`."""

    def with_change(*args: object, dry_run: bool, request_id: str, **options: object) -> None:
        command(*args, change=Change(dry_run, request_id), **options)

    decorated = update_wrapper(with_change, command)
    for option in (
        click.option(
            "--request-id",
            metavar="TEXT",
            default="",
            help="Repeating a request with the same id within a day changes nothing.",
        ),
        click.option("--dry-run", is_flag=True, help="Check everything, change nothing."),
    ):
        decorated = option(decorated)
    return decorated


def etag_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--etag`."""
    return click.option(
        "--etag",
        metavar="ETAG",
        default="",
        help="Fail unless the resource still has this etag (see `get --json`).",
    )(command)


def page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that lists the options `--page-size` and `--limit`."""
    decorate = click.option(
        "--page-size",
        metavar="N",
        type=click.IntRange(1, 1000),
        default=1000,
        help="How many to ask the server for at a time (at most and by default 1000).",
    )
    decorate_limit = click.option(
        "--limit",
        metavar="N",
        type=click.IntRange(min=1),
        default=None,
        help="Stop after so many. Default: all.",
    )
    return decorate(decorate_limit(command))
