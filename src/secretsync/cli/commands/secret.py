"""`secretsync secret`: set, read, list and delete secrets."""

import sys

import click

from secretsync.adapter import SecretValue
from secretsync.cli.changes import report_deleted
from secretsync.cli.client import Client, pass_client
from secretsync.cli.commands.secret_load import import_
from secretsync.cli.errors import invalid
from secretsync.cli.folders import environment_option, path_option
from secretsync.cli.framework import Change, Group, change_options, page_options
from secretsync.cli.inputs import STDIN, is_interactive
from secretsync.cli.names import child_name, short_name
from secretsync.cli.output import (
    note,
    note_dry_run,
    print_fields,
    print_message,
    print_messages,
    print_table,
    say,
)
from secretsync.cli.secret_inputs import prompt_secret, read_value
from secretsync.cli.words import time_and_age, time_text
from secretsync.v1.secret_service_pb2 import (
    DeleteSecretsRequest,
    GetSecretRequest,
    ListSecretsRequest,
    Secret,
    SetSecretsRequest,
)

_WAYS = "use --file FILE, `-` for stdin, or a terminal, which asks for it without showing it"


@click.group(cls=Group)
def secret() -> None:
    """Secrets: set, read, delete, load from a file."""


secret.add_command(import_)


@secret.command(
    "set",
    example="secretsync --project shop secret set DB_PASSWORD -e dev\n"
    "secretsync --project shop secret set TLS_KEY -e dev --file key.pem\n"
    "pass show db | secretsync --project shop secret set DB_PASSWORD -e dev -",
)
@click.argument("key")
@click.argument("source", metavar="[-]", nargs=-1)
@environment_option
@path_option
@click.option("--file", metavar="FILE", help="Take the value from a file, exactly; `-` is stdin.")
@click.option("--empty", is_flag=True, help="Set the empty value.")
@click.option("--comment", metavar="TEXT", help="For people. Default: what it was before.")
@change_options
@pass_client
def set_(  # noqa: PLR0913 -- click passes one argument per option
    client: Client,
    *,
    key: str,
    source: tuple[str, ...],
    environment: str,
    path: str,
    file: str | None,
    empty: bool,
    comment: str | None,
    change: Change,
) -> None:
    """Create or change the secret KEY.

    The value is never an argument, where others could see it: it comes from a file, from stdin
    (`-`, or when stdin is no terminal), or is asked for without being shown.
    """
    parent = child_name(client.state, "environments", environment)
    value = _read_value(source, file, empty=empty)
    request = SetSecretsRequest(
        parent=parent,
        path=path,
        secrets=[Secret(key=key, value=value.reveal(), comment=comment)],
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    answer = client.call(client.secrets.SetSecrets, request)
    if client.state.json:
        print_message(answer)
    elif not change.validate_only:
        outcome = "Created" if answer.created_count else "Updated"
        if not answer.created_count and not answer.updated_count:
            outcome = "Unchanged:"
        say(f"{outcome} {key} in {short_name(parent)}:{path}.")
        for run in answer.runs:
            say(f"Queued {run}.")
    if change.validate_only:
        note_dry_run()


@secret.command(
    example="secretsync --project shop secret get DB_PASSWORD -e dev\n"
    "secretsync --project shop secret get DB_PASSWORD -e dev --reveal"
)
@click.argument("key")
@environment_option
@path_option
@click.option("--reveal", is_flag=True, help="Print the value, and nothing else.")
@click.option("--raw", is_flag=True, help="Like --reveal, without a line break on a terminal.")
@pass_client
def get(
    client: Client,
    key: str,
    environment: str,
    path: str,
    reveal: bool,  # noqa: FBT001
    raw: bool,  # noqa: FBT001
) -> None:
    """Show a secret; its value only with --reveal.

    The value is printed exactly. On a terminal a line break follows; --raw leaves that out.
    """
    request = GetSecretRequest(
        parent=child_name(client.state, "environments", environment),
        path=path,
        key=key,
        include_value=reveal or raw,
    )
    found = client.call(client.secrets.GetSecret, request)
    if client.state.json:
        print_message(found)
    elif reveal or raw:
        # The bytes themselves: a text stream could change line ends, or refuse characters.
        sys.stdout.buffer.write(found.value.encode())
        if sys.stdout.isatty() and not raw:
            sys.stdout.buffer.write(b"\n")
    else:
        print_fields(
            [
                ("Key", found.key),
                ("Path", found.path),
                ("Comment", found.comment),
                ("Version", str(found.version)),
                ("Created", time_and_age(found.create_time)),
                ("Changed", time_and_age(found.update_time)),
            ]
        )


@secret.command("list", example="secretsync --project shop secret list -e dev --recursive")
@environment_option
@path_option
@click.option("--recursive", "-r", is_flag=True, help="List the folders below it too.")
@click.option("--reveal", is_flag=True, help="With --json: give the values too.")
@page_options
@pass_client
def list_(
    client: Client,
    *,
    environment: str,
    path: str,
    recursive: bool,
    reveal: bool,
    page_size: int,
    limit: int | None,
) -> None:
    """List the secrets of a folder; their values only with --json --reveal."""
    if reveal and not client.state.json:
        raise invalid(
            "--reveal goes with --json only: a table could not show values exactly",
            hint="`secret get KEY --reveal` prints one value",
        )
    request = ListSecretsRequest(
        parent=child_name(client.state, "environments", environment),
        path=path,
        recursive=recursive,
        include_values=reveal,
        page_size=page_size,
    )
    found = client.pages(
        client.secrets.ListSecrets, request, lambda answer: list(answer.secrets), limit=limit
    )
    if client.state.json:
        print_messages("secrets", found)
        return
    print_table(
        ["PATH", "KEY", "VERSION", "CHANGED", "COMMENT"],
        (
            [item.path, item.key, str(item.version), time_text(item.update_time), item.comment]
            for item in found
        ),
        empty="There are no secrets here. `secretsync secret set` or `import` makes some.",
    )


@secret.command(example="secretsync --project shop secret delete OLD_KEY OTHER_KEY -e dev")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@environment_option
@path_option
@click.option("--allow-missing", is_flag=True, help="Keys that do not exist are no error.")
@change_options
@pass_client
def delete(
    client: Client,
    keys: tuple[str, ...],
    environment: str,
    path: str,
    allow_missing: bool,  # noqa: FBT001
    change: Change,
) -> None:
    """Delete secrets of one folder: all of them, or none.

    Secret syncs with auto-sync on delete them at their destinations too.
    """
    parent = child_name(client.state, "environments", environment)
    request = DeleteSecretsRequest(
        parent=parent,
        path=path,
        keys=keys,
        allow_missing=allow_missing,
        request_id=change.request_id,
        validate_only=change.validate_only,
    )
    client.call(client.secrets.DeleteSecrets, request)
    report_deleted(client.state, f"{', '.join(keys)} in {short_name(parent)}:{path}", change)


def _read_value(source: tuple[str, ...], file: str | None, *, empty: bool) -> SecretValue:
    """Return the value from the one place that the user named, or from stdin, or a prompt."""
    if source and source != (STDIN,):
        # Not repeated: what was written there may be the value.
        raise invalid("a value cannot be an argument: others could see it", hint=_WAYS)
    if bool(source) + (file is not None) + empty > 1:
        raise invalid("give one of --file, `-` and --empty")
    if empty:
        return SecretValue("")
    if source or file is not None:
        return _noting_line_break(read_value(file or STDIN))
    if is_interactive():
        return prompt_secret("Value", confirm=True, otherwise=_WAYS)
    value = read_value(STDIN)
    if value.is_empty:
        # Nobody piped anything: stdin is merely closed, as in cron jobs.
        raise invalid("there is no value on stdin", hint=f"{_WAYS}; --empty sets the empty value")
    return _noting_line_break(value)


def _noting_line_break(value: SecretValue) -> SecretValue:
    if value.reveal().endswith("\n"):
        note("note: the value ends with a line break, which is kept (`printf` writes none)")
    return value
