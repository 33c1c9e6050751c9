"""`secretsync serve`: the real server, started and stopped as an operator does."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_kit import SCRIPT, Run


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; its data is in tmp_path/data."""
    process = subprocess.Popen(
        [SCRIPT, "serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield process, line.split()[-1]
    process.kill()
    process.stdout.close()
    process.wait()


def test_commands_reach_the_server_until_it_is_stopped(
    run: Run, serving: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = serving
    here = ["--address", address]
    assert run("project", "create", "shop", *here).out == "Created projects/shop.\n"
    assert run("environment", "create", "dev", *here).code == 0
    assert run("secret", "set", "KEY", "-e", "dev", *here, stdin=b"v\n").code == 0
    assert run("secret", "get", "KEY", "-e", "dev", "--reveal", *here).out == "v\n"
    result = run("project", "create", "Not A Slug", *here)
    assert result.code == 2
    assert "project_id: " in result.err
    result = run("project", "create", "shop", *here)
    assert result.code == 4
    assert "reason: RESOURCE_ALREADY_EXISTS" in result.err
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    result = run("project", "list", *here)
    assert result.code == 6
    assert f"no secretsync server at {address}" in result.err


def test_settings_that_break_a_rule(run: Run) -> None:
    result = run("serve", "--listen", "0.0.0.0:8470", "--max-runs", "0")
    assert result.code == 2
    assert "listen: 0.0.0.0 is not a loopback address" in result.err
    assert "max_runs: " in result.err


def test_a_server_that_cannot_start(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = run("serve", "--listen", "127.0.0.1:0", "--data-dir", str(file))
    assert result.code == 1
    assert result.err.startswith("secretsync: error: ")
    assert str(file) in result.err
