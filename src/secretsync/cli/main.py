"""The entry point: the outermost command group, and what becomes of errors."""

import json
import os
import sys
from collections.abc import Sequence

import click

from secretsync.cli.errors import CliError, from_click
from secretsync.cli.exit_codes import MEANINGS, ExitCode
from secretsync.cli.framework import LateCommand, LateGroup, State, global_options

PROGRAM = "secretsync"
_COMMANDS = "secretsync.cli.commands"

COMMANDS = {
    "serve": LateCommand("secretsync.cli.serve", "serve", "Run the server."),
    "project": LateCommand(
        f"{_COMMANDS}.project", "project", "Projects: what all else belongs to."
    ),
    "environment": LateCommand(
        f"{_COMMANDS}.environment", "environment", "Environments of a project, e.g. dev and prod."
    ),
    "secret": LateCommand(
        f"{_COMMANDS}.secret", "secret", "Secrets: set, read, delete, load from a file."
    ),
    "secret-import": LateCommand(
        f"{_COMMANDS}.secret_import",
        "secret_import",
        "Imports of one folder's secrets into another folder.",
    ),
    "connection": LateCommand(
        f"{_COMMANDS}.connection", "connection", "Credentials for an instance of a destination."
    ),
    "sync": LateCommand(
        f"{_COMMANDS}.sync", "sync", "Secret syncs: set up, run, remove what they wrote."
    ),
    "run": LateCommand(f"{_COMMANDS}.run", "run", "Runs of secret syncs: what each one did."),
    "pause": LateCommand(
        f"{_COMMANDS}.pause",
        "pause",
        "Let nothing be written, for one sync, a connection, or all.",
    ),
    "resume": LateCommand(f"{_COMMANDS}.pause", "resume", "Let syncs go on that were paused."),
    "destination": LateCommand(
        f"{_COMMANDS}.destination", "destination", "Types of destination that the server offers."
    ),
    "plugin": LateCommand(
        f"{_COMMANDS}.plugin", "plugin", "Destination plugins installed on this machine."
    ),
    "completion": LateCommand(
        f"{_COMMANDS}.completion", "completion", "Print the completion script of a shell."
    ),
}


class _Root(LateGroup):
    """The outermost group; its help lists the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), text) for code, text in MEANINGS.items()])


def _print_version(ctx: click.Context, param: click.Parameter, value: object) -> None:
    del param
    if value:
        from importlib.metadata import version  # noqa: PLC0415 -- slow to import

        click.echo(f"{PROGRAM} {version(PROGRAM)}")
        ctx.exit()


cli = _Root(
    PROGRAM,
    late=COMMANDS,
    params=[
        *global_options(environment=True).values(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ],
    help="""Keep secrets in one place and push them to the systems that consume them.

    Resources are named by a short slug (with --project) or by their full name, e.g.
    projects/shop/secretSyncs/dev. The global options are accepted after a command's name too.
    """,
)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        args: the words after the program's name. Default: those of the process.

    Returns:
        The exit code; see ExitCode, and PLAN_HAS_CHANGES.
    """
    words = list(sys.argv[1:] if args is None else args)
    state = State()
    try:
        ended = cli.main(words, prog_name=PROGRAM, standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.INVALID
    except click.ClickException as error:
        # The option may not have been read yet when the words around it are wrong.
        return _report(from_click(error), as_json=state.json or "--json" in words)
    except CliError as error:
        return _report(error, as_json=state.json or "--json" in words)
    except (click.Abort, KeyboardInterrupt):
        return _report(CliError("interrupted", ExitCode.INTERRUPTED), as_json=state.json)
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has closed it. What is still buffered has nowhere
        # to go; without this the interpreter would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    # What a command has ended itself with; those that just end return nothing.
    return int(ended or ExitCode.OK)


def _report(error: CliError, *, as_json: bool) -> ExitCode:
    """Show an error on stderr and return its exit code."""
    click.echo(json.dumps(error.as_json()) if as_json else error.as_text(), err=True)
    return error.code
