"""`secretsync secret import`: load a file of secrets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import click

from secretsync.adapter import SecretValue
from secretsync.cli.client import Client, pass_client
from secretsync.cli.errors import CliError, invalid
from secretsync.cli.folders import environment_option, path_option
from secretsync.cli.framework import Command
from secretsync.cli.inputs import read_text
from secretsync.cli.names import child_name, short_name
from secretsync.cli.output import note_dry_run, print_json, print_table, say
from secretsync.cli.secret_files import format_of, parse
from secretsync.cli.waiting import with_progress
from secretsync.v1.secret_service_pb2 import Secret, SetSecretsRequest

MAX_SECRETS = 1000
"""How many secrets the server takes in one request."""
MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""How many bytes a request may have."""
_HEADROOM_BYTES = 64 * 1024
"""What a request may need beyond its secrets: names, and the field headers."""


@dataclass(slots=True)
class _Outcome:
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    runs: list[str] = field(default_factory=list)


@click.command(
    "import",
    cls=Command,
    example="secretsync --project shop secret import dev.env -e dev\n"
    "secretsync --project shop secret import secrets.yaml -e dev --path /api --dry-run\n"
    "sops -d secrets.json | secretsync --project shop secret import - -e dev --format json",
)
@click.argument("file")
@environment_option
@path_option
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["dotenv", "json", "yaml"]),
    help="Default: as the file's name says (.env, .env.*, .json, .yaml, .yml).",
)
@click.option(
    "--in-batches",
    is_flag=True,
    help="Load a file that does not fit one request; each request is atomic, not the whole.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@pass_client
def import_(
    client: Client,
    file: str,
    environment: str,
    path: str,
    file_format: str | None,
    in_batches: bool,  # noqa: FBT001
    dry_run: bool,  # noqa: FBT001
) -> None:
    """Load the secrets of FILE (`-` is stdin) into a folder: all of them, or none.

    FILE is dotenv, or a flat JSON object or YAML mapping of strings. Values are taken exactly:
    `$NAME` and `#{name}` are not replaced. Secrets that are not in the file stay, and so do
    comments.
    """
    secrets = parse(read_text(file), file_format or format_of(file))
    parent = child_name(client.state, "environments", environment)
    batches = list(_batches(secrets))
    if len(batches) > 1 and not in_batches:
        raise invalid(
            f"{len(secrets)} secrets do not fit one request ({MAX_SECRETS} secrets, "
            f"{MAX_REQUEST_BYTES // 1024 // 1024} MiB), so they cannot be loaded all or none",
            hint=f"--in-batches loads them in {len(batches)} requests, each all or none",
        )
    outcome = _Outcome()
    _send(client, parent, path, batches, dry_run=dry_run, outcome=outcome)
    _show(client, outcome, f"{short_name(parent)}:{path}", dry_run=dry_run)


def _send(
    client: Client,
    parent: str,
    path: str,
    batches: Sequence[Sequence[Secret]],
    *,
    dry_run: bool,
    outcome: _Outcome,
) -> None:
    """Send the batches; if there are several, all are checked before the first is written."""

    def request(number: int, *, validate_only: bool) -> SetSecretsRequest:
        return SetSecretsRequest(
            parent=parent, path=path, secrets=batches[number], validate_only=validate_only
        )

    def check(number: int) -> None:
        client.call(client.secrets.SetSecrets, request(number, validate_only=True))

    def write(number: int) -> None:
        try:
            answer = client.call(client.secrets.SetSecrets, request(number, validate_only=dry_run))
        except CliError as error:
            if number:
                error.message += f" (batches 1 to {number} of {len(batches)} were loaded)"
                error.hint = error.hint or "repeat the command: what is loaded stays as it is"
            raise
        outcome.created += answer.created_count
        outcome.updated += answer.updated_count
        outcome.unchanged += len(batches[number]) - answer.created_count - answer.updated_count
        outcome.runs += [run for run in answer.runs if run not in outcome.runs]

    if len(batches) > 1 and not dry_run:
        with_progress("checking", len(batches), check)
    with_progress("checking" if dry_run else "loading", len(batches), write)


def _batches(secrets: Mapping[str, SecretValue]) -> Iterator[list[Secret]]:
    """Yield the secrets in requests' worth, in the file's order."""
    batch: list[Secret] = []
    size = 0
    for key, value in secrets.items():
        secret = Secret(key=key, value=value.reveal())
        length = secret.ByteSize() + 8
        if batch and (
            len(batch) == MAX_SECRETS or size + length > MAX_REQUEST_BYTES - _HEADROOM_BYTES
        ):
            yield batch
            batch, size = [], 0
        batch.append(secret)
        size += length
    yield batch


def _show(client: Client, outcome: _Outcome, where: str, *, dry_run: bool) -> None:
    if client.state.json:
        print_json(
            {
                "createdCount": outcome.created,
                "updatedCount": outcome.updated,
                "unchangedCount": outcome.unchanged,
                "runs": outcome.runs,
            }
        )
    else:
        print_table(
            ["FOLDER", "CREATED", "UPDATED", "UNCHANGED"],
            [[where, str(outcome.created), str(outcome.updated), str(outcome.unchanged)]],
        )
        for run in outcome.runs:
            say(f"Queued {run}.")
    if dry_run:
        note_dry_run()
