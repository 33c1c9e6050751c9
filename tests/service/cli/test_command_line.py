"""Help, global options, completion, start-up: what holds for every command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import click
import pytest
from cli_kit import SCRIPT, FakeServer, Run, Terminal
from click.shell_completion import split_arg_string

from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.framework import Command
from secretsync.cli.main import COMMANDS, cli
from secretsync.v1.project_service_pb2 import (
    ListEnvironmentsRequest,
    ListEnvironmentsResponse,
    ListProjectsResponse,
    Project,
)
from secretsync.v1.secret_service_pb2 import (
    GetSecretRequest,
    Secret,
    SetSecretsRequest,
)


def walk(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with the words that call it."""
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from walk(inner, *words, name)
    else:
        yield words, command


ALL = dict(walk(cli))


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_explains_itself_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words, "-h")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: secretsync {' '.join(words)} ")
    command = ALL[words]
    assert isinstance(command, Command)
    assert command.help
    assert command.example
    for line in command.example.splitlines():
        assert f"\n  {line}\n" in result.out
    assert all(option.help for option in command.params if isinstance(option, click.Option)), (
        f"{words} has an option without help"
    )


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_examples_can_be_parsed(words: tuple[str, ...]) -> None:
    command = ALL[words]
    assert isinstance(command, Command)
    example = command.example.replace("\\\n", " ")
    for line in example.splitlines():
        text = line.partition("    #")[0].partition(" > ")[0].rpartition("| ")[2]
        text = text.removeprefix('eval "$(').removesuffix(')"')
        parts = split_arg_string(text)
        assert parts.pop(0) == "secretsync"
        if parts[0] == "--project":
            parts = parts[2:]
        assert tuple(parts[: len(words)]) == words
        command.make_context("x", parts[len(words) :], resilient_parsing=False)


def test_the_command_list_is_that_of_the_groups() -> None:
    ctx = click.Context(cli)
    for name, entry in COMMANDS.items():
        if name in {"serve", "completion"}:
            continue
        group = cli.get_command(ctx, name)
        assert group is not None
        assert group.get_short_help_str(200).rstrip(".") == entry.short_help.rstrip(".")


def test_the_help_documents_every_exit_code(run: Run) -> None:
    out = run("--help").out
    codes = out.partition("Exit codes:")[2].split()
    assert all(str(int(code)) in codes for code in ExitCode)


@pytest.mark.parametrize(
    ("words", "spared"),
    [
        (["--help"], {"grpc", "google", "rich", "pydantic", "yaml", "importlib.metadata"}),
        (["sync", "run", "--help"], {"pydantic", "httpx", "sqlite_utils", "grpc_status"}),
    ],
)
def test_commands_load_only_what_they_need_so_that_they_start_fast(
    words: list[str], spared: set[str]
) -> None:
    code = (
        f"import sys; from secretsync.cli.main import main; main({words}); "
        f"print(sorted({spared} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.decode().endswith("\n[]\n")


def test_version(run: Run) -> None:
    assert run("--version").out == f"secretsync {version('secretsync')}\n"


def test_global_options_work_before_and_after_the_command(server: FakeServer, run: Run) -> None:
    server.replies["ListEnvironments"] = ListEnvironmentsResponse()
    first = run("--project", "one", "--json", "environment", "list")
    second = run("environment", "list", "--project", "two", "--json", "--timeout", "5")
    third = run("--project", "one", "environment", "list", "--project", "three")
    assert json.loads(first.out) == json.loads(second.out) == {"environments": []}
    assert "There are no environments" in third.out
    requests = server.all("ListEnvironments", ListEnvironmentsRequest)
    assert [item.parent for item in requests] == ["projects/one", "projects/two", "projects/three"]


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "_SECRETSYNC_COMPLETE=bash_complete"),
        ("zsh", "#compdef secretsync"),
        ("fish", "complete --no-files --command secretsync"),
    ],
)
def test_completion_prints_the_script(run: Run, shell: str, words: str) -> None:
    result = run("completion", shell)
    assert (result.code, words in result.out) == (0, True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("secretsync secret", ["secret", "secret-import"]),
        ("secretsync sync re", ["remove"]),
        ("secretsync sync create --init", ["--initial-sync-behavior"]),
        ("secretsync secret import x --format ", ["dotenv", "json", "yaml"]),
    ],
)
def test_completion_completes(line: str, expected: list[str]) -> None:
    words = line.split(" ")
    result = subprocess.run(
        [SCRIPT],
        env={
            **os.environ,
            "_SECRETSYNC_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        check=True,
    )
    found = [item.partition(",")[2] for item in result.stdout.decode().splitlines()]
    assert found == expected


def test_a_value_is_asked_for_twice_and_never_shown(server: FakeServer) -> None:
    server.replies["GetSecret"] = Secret(key="KEY")
    words = ["secret", "set", "KEY", "-e", "dev"]
    with Terminal(*words, address=server.address) as terminal:
        terminal.expect("Value: ")
        terminal.send("hunter2")
        terminal.expect("Repeat for confirmation: ")
        terminal.send("hunter3")
        terminal.expect("do not match")
        terminal.expect("Value: ")
        terminal.send("hunter2")
        terminal.expect("Repeat for confirmation: ")
        terminal.send("hunter2")
        assert terminal.finish() == 0
        assert "hunter" not in terminal.seen
    assert server.only("SetSecrets", SetSecretsRequest).secrets[0].value == "hunter2"


def test_tables_on_a_terminal_fold_instead_of_cutting(server: FakeServer) -> None:
    name = f"projects/{'long-' * 40}end"
    server.replies["ListProjects"] = ListProjectsResponse(
        projects=[Project(name=name, display_name="x" * 200)]
    )
    with Terminal("project", "list", address=server.address) as terminal:
        assert terminal.finish() == 0
        assert terminal.seen.count("long-") >= 30
        assert terminal.seen.count("x") == 200
        assert "\u2026" not in terminal.seen


def test_reveal_on_a_real_terminal_ends_the_line(server: FakeServer) -> None:
    server.replies["GetSecret"] = Secret(key="KEY", value="abc", value_included=True)
    words = ["secret", "get", "KEY", "-e", "dev", "--reveal"]
    with Terminal(*words, address=server.address) as terminal:
        assert terminal.finish() == 0
        assert terminal.seen == "abc\r\n"
    assert server.only("GetSecret", GetSecretRequest).include_value
