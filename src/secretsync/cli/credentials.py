"""Gathers the credentials of a connection, keeping secret fields off the command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import click

from secretsync.cli.assignments import from_struct, read_object, split_assignment, typed
from secretsync.cli.errors import CliError, invalid
from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.inputs import STDIN, is_interactive, prompt_text
from secretsync.cli.names import short_name
from secretsync.cli.schema import Field, Schema
from secretsync.cli.secret_inputs import prompt_secret, read_credential
from secretsync.v1.secret_sync_service_pb2 import Destination


@dataclass(frozen=True, slots=True)
class CredentialOptions:
    """How the user gave the credentials.

    Attributes:
        assignments: `--set name=value`, for fields that are no secrets.
        prompts: `--secret name`, asked for on the terminal.
        files: `--secret-file name=path`.
        stdin: `--secret-stdin name`; None if not given.
        file: `--credentials-file`; None if not given.
    """

    assignments: Sequence[str] = ()
    prompts: Sequence[str] = ()
    files: Sequence[str] = ()
    stdin: str | None = None
    file: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is any."""
        return bool(
            self.assignments or self.prompts or self.files or self.stdin is not None or self.file
        )


def credential_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for credentials, as one argument `credentials`."""

    def with_credentials(
        *args: object,
        assignments: Sequence[str],
        prompts: Sequence[str],
        files: Sequence[str],
        secret_stdin: str | None,
        credentials_file: str | None,
        **options: object,
    ) -> None:
        credentials = CredentialOptions(assignments, prompts, files, secret_stdin, credentials_file)
        command(*args, credentials=credentials, **options)

    decorated = update_wrapper(with_credentials, command)
    for option in (
        click.option(
            "--credentials-file",
            metavar="FILE",
            help="Take all fields from a JSON or YAML object; `-` is JSON on stdin.",
        ),
        click.option(
            "--secret-stdin", metavar="NAME", help="Take a field from stdin, like --secret-file."
        ),
        click.option(
            "--secret-file",
            "files",
            metavar="NAME=FILE",
            multiple=True,
            help="Take a field from a file, less a line break at its end. Repeatable.",
        ),
        click.option(
            "--secret",
            "prompts",
            metavar="NAME",
            multiple=True,
            help="Ask for a secret field without showing it. Repeatable.",
        ),
        click.option(
            "--set",
            "assignments",
            metavar="NAME=VALUE",
            multiple=True,
            help="A field that is no secret, e.g. instanceUrl=https://octopus.example. Repeatable.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def choose_method(destination: Destination, method: str | None) -> str:
    """Return how to authenticate: as asked for, or the way that the destination offers first.

    Raises:
        CliError: the destination cannot be used, or does not offer the method.
    """
    name = short_name(destination.name)
    if not destination.available:
        raise CliError(
            f"{name} cannot be used: {destination.unavailable_reason}", ExitCode.CONFLICT
        )
    offered = [offer.method for offer in destination.methods]
    if method is None and offered:
        return offered[0]
    if method not in offered:
        raise invalid(f"--method for {name} must be one of: {', '.join(offered)}")
    return method


def gather(
    destination: Destination,
    method: str,
    options: CredentialOptions,
    known: dict[str, Any],
) -> dict[str, Any]:
    """Return credentials in the shape of a method's schema; ask for what is missing.

    Args:
        destination: what the connection leads to.
        method: one of its methods.
        options: what the user gave.
        known: fields that need not be given again.

    Raises:
        CliError: a field is unknown, given in a place where others could see it, or missing with
            nobody to ask.
    """
    schema = next(
        Schema(from_struct(offer.credentials_schema))
        for offer in destination.methods
        if offer.method == method
    )
    fields = {field.path: field for field in schema.fields()}
    found = dict(known)
    if options.file is not None:
        if options.file == STDIN and options.stdin is not None:
            raise invalid("stdin can be read once: --secret-stdin or --credentials-file -")
        found |= read_object(options.file)
    for text in options.assignments:
        name, value = split_assignment(text, "--set")
        _check_known(name, fields, schema)
        if name in fields and fields[name].schema.is_secret:
            raise invalid(
                f"--set {name}=... would be visible in the process list: {name} is a secret",
                hint=_how_to_give(name),
            )
        found[name] = typed("--set", name, value, schema.at((name,)))
    for text in options.files:
        name, path = split_assignment(text, "--secret-file")
        _check_known(name, fields, schema)
        found[name] = read_credential(path).reveal()
    if options.stdin is not None:
        _check_known(options.stdin, fields, schema)
        found[options.stdin] = read_credential(STDIN).reveal()
    for name in options.prompts:
        _check_known(name, fields, schema)
        found[name] = _ask(name, secret=True)
    _ask_for_missing(found, [field for field in fields.values() if field.required])
    return found


def _ask_for_missing(found: dict[str, Any], required: Sequence[Field]) -> None:
    missing = [field for field in required if field.path not in found]
    if missing and not is_interactive():
        names = ", ".join(field.path for field in missing)
        hints = "; ".join(
            _how_to_give(field.path) if field.schema.is_secret else f"--set {field.path}=..."
            for field in missing
        )
        raise invalid(f"missing credentials: {names}", hint=f"give {hints}")
    # What may be shown comes first: it says which secret is meant.
    for field in sorted(missing, key=lambda field: field.schema.is_secret):
        found[field.path] = _ask(field.path, secret=field.schema.is_secret)


def _ask(name: str, *, secret: bool) -> str:
    if secret:
        return prompt_secret(name, confirm=False, otherwise=_how_to_give(name)).reveal()
    return prompt_text(name, otherwise=f"give --set {name}=...")


def _how_to_give(name: str) -> str:
    return f"--secret-file {name}=FILE, --secret-stdin {name}, or --secret {name} on a terminal"


def _check_known(name: str, fields: dict[str, Field], schema: Schema) -> None:
    if name not in fields and schema.is_closed:
        raise invalid(f"there is no credential field {name!r}; there are: {', '.join(fields)}")
