"""The options that name a folder: `--environment` and `--path`."""

from collections.abc import Callable

import click


def environment_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--environment`."""
    return click.option(
        "--environment",
        "-e",
        metavar="ENVIRONMENT",
        required=True,
        envvar="SECRETSYNC_ENVIRONMENT",
        help="The environment (env SECRETSYNC_ENVIRONMENT).",
    )(command)


def path_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--path`."""
    return click.option(
        "--path",
        metavar="PATH",
        default="/",
        show_default=True,
        help="The folder, e.g. /api/keys.",
    )(command)
