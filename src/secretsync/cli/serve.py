"""`secretsync serve`: run the server."""

import os
from pathlib import Path

import click

from secretsync.cli.errors import CliError, invalid
from secretsync.cli.framework import Command


@click.command(
    cls=Command,
    accepts=(),
    example="secretsync serve\n"
    "secretsync serve --listen 127.0.0.1:0 --data-dir ./data --log-level debug",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Where to listen: a loopback address. Port 0 takes a free one. Default: 127.0.0.1:8470.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where everything is kept. Default: ~/.local/share/secretsync (XDG_DATA_HOME).",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key-encryption key. Default: in the data directory, made at the first start.",
)
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error. Default: info.")
@click.option(
    "--max-runs-per-connection",
    type=int,
    metavar="N",
    help="How many runs may use one connection at a time. Default: 5.",
)
@click.option(
    "--max-runs", type=int, metavar="N", help="How many runs may run at a time. Default: 100."
)
@click.option(
    "--change-interval",
    type=float,
    metavar="SECONDS",
    help="Least time between two runs of a sync that follow from changes. Default: 1.",
)
@click.option(
    "--shutdown-grace",
    type=float,
    metavar="SECONDS",
    help="How long calls and runs may go on after SIGTERM. Default: 10.",
)
@click.option(
    "--retry-attempts", type=int, metavar="N", help="Attempts of a run in all. Default: 5."
)
@click.option(
    "--retry-base",
    type=float,
    metavar="SECONDS",
    help="Wait before the second attempt at most; doubles with each further one. Default: 3.",
)
@click.option(
    "--retry-ceiling",
    type=float,
    metavar="SECONDS",
    help="Wait between attempts at most, unless the destination asks for more. Default: 300.",
)
@click.option(
    "--retry-later",
    type=float,
    metavar="SECONDS",
    help="Wait at most until a sync whose run gave up is run again by itself; doubles each time;"
    " 0 to not do that. Default: 300.",
)
@click.option(
    "--retry-later-ceiling",
    type=float,
    metavar="SECONDS",
    help="The longest that gets. Default: 3600.",
)
@click.option(
    "--attempt-timeout",
    type=float,
    metavar="SECONDS",
    help="How long one attempt of a run may take. Default: 900.",
)
@click.option(
    "--run-history-days",
    type=int,
    metavar="N",
    help="How many days an ended run stays in the history at most. Default: 90.",
)
@click.option(
    "--run-history-count",
    type=int,
    metavar="N",
    help="How many runs of a sync stay in the history at most. Default: 1000.",
)
@click.option(
    "--max-watchers",
    type=int,
    metavar="N",
    help="How many streams of changes there may be at a time. Default: 100.",
)
@click.option(
    "--watch-keep-alive",
    type=float,
    metavar="SECONDS",
    help="When a stream of changes that has nothing to tell says so. Default: 30.",
)
@click.option(
    "--call-timeout",
    type=float,
    metavar="SECONDS",
    help="How long a call to a destination outside of runs may take, e.g. to validate a sync."
    " Default: 120.",
)
@click.option(
    "--http-connect-timeout",
    type=float,
    metavar="SECONDS",
    help="How long a connection to a destination may take to be made. Default: 10.",
)
@click.option(
    "--http-read-timeout",
    type=float,
    metavar="SECONDS",
    help="How long a destination may send nothing while its answer is awaited. Default: 300.",
)
@click.option(
    "--http-write-timeout",
    type=float,
    metavar="SECONDS",
    help="How long a destination may take nothing of a request. Default: 120.",
)
def serve(**options: object) -> None:
    """Run the server until SIGTERM or SIGINT; it prints one line when it is ready."""
    # gRPC writes lines of its own to stderr, e.g. when a port is taken; ours say more.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Imported late: the server's libraries would slow down every other command.
    from secretsync.server import StartupError  # noqa: PLC0415
    from secretsync.server import serve as serve_until_stopped  # noqa: PLC0415
    from secretsync.settings import SettingsError, make_settings  # noqa: PLC0415

    given = {name: value for name, value in options.items() if value is not None}
    try:
        serve_until_stopped(make_settings(**given))
    except SettingsError as error:
        raise invalid(str(error)) from None
    except StartupError as error:
        raise CliError(str(error)) from None
