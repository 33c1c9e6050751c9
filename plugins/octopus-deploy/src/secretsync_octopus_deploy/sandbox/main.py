"""The command `secretsync-octopus-sandbox`."""

import os

import click

from secretsync_octopus_deploy.sandbox.app import create_app
from secretsync_octopus_deploy.sandbox.keys import ApiKeys
from secretsync_octopus_deploy.sandbox.seed import SEEDS
from secretsync_octopus_deploy.sandbox.server import bind, parse_listen, serve, url_of

KEY_VARIABLE = "SECRETSYNC_SANDBOX_API_KEY"
READ_ONLY_KEY_VARIABLE = "SECRETSYNC_SANDBOX_READ_ONLY_API_KEY"
EXPIRED_KEY_VARIABLE = "SECRETSYNC_SANDBOX_EXPIRED_API_KEY"


class _Refusal(click.ClickException):
    """A wrong argument: one line on stderr, exit code 2."""

    exit_code = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--listen", default="127.0.0.1:0", show_default=True, help="Loopback HOST:PORT.")
@click.option("--api-key", envvar=KEY_VARIABLE, show_envvar=True, help="Key with full access.")
@click.option(
    "--read-only-api-key",
    envvar=READ_ONLY_KEY_VARIABLE,
    show_envvar=True,
    help="Key that may not change anything.",
)
@click.option(
    "--expired-api-key",
    envvar=EXPIRED_KEY_VARIABLE,
    show_envvar=True,
    help="Key that is not valid any more.",
)
@click.option(
    "--seed", type=click.Choice(SEEDS), default="default", show_default=True, help="First content."
)
def main(
    listen: str,
    api_key: str | None,
    read_only_api_key: str | None,
    expired_api_key: str | None,
    seed: str,
) -> None:
    """Run an HTTP server that behaves like Octopus Deploy, with its state in memory.

    Prints one line when it is ready. Prefer the environment variables for keys: arguments are
    visible in process lists.
    """
    if not api_key:
        raise _Refusal(f"give an API key with --api-key or {KEY_VARIABLE}")
    try:
        keys = ApiKeys(api_key, read_only_api_key, expired_api_key)
        address, port = parse_listen(listen)
    except ValueError as error:
        raise _Refusal(str(error)) from None
    try:
        bound = bind(address, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise click.ClickException(f"cannot listen on {listen}: {reason}") from None
    url = url_of(bound)
    app = create_app(keys, seed=seed)
    serve(app, bound, lambda: click.echo(f"Octopus sandbox listening on {url}"))


if __name__ == "__main__":
    main()
