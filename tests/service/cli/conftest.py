"""The command line, run in this process against a gRPC server on a loopback port."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test folders are no packages: this lets all modules here import what they share.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from cli_kit import SECRET, FakeServer, Result, Run, TextStream

from secretsync.cli.main import main


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server whose methods answer with empty messages until told otherwise."""
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings of whoever runs the tests, and times in UTC."""
    for name in [name for name in os.environ if name.startswith("SECRETSYNC_")]:
        monkeypatch.delenv(name)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def run(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line; its project is `shop`. It checks that no secret is shown.

    stdin: what is piped in. terminal: whether stdout is a terminal. typed: what a person types,
    on a terminal. reveal: the secret may be shown on stdout.
    """
    monkeypatch.setenv("SECRETSYNC_ADDRESS", server.address)
    monkeypatch.setenv("SECRETSYNC_PROJECT", "shop")

    def run_it(
        *args: str,
        stdin: bytes = b"",
        typed: str | None = None,
        terminal: bool = False,
        reveal: bool = False,
    ) -> Result:
        out, err = TextStream(terminal=terminal), TextStream()
        keyboard = TextStream((typed or "").encode() or stdin, terminal=typed is not None)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", keyboard)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main(args)
        result = Result(code, out.memory.getvalue(), err.memory.getvalue().decode())
        assert SECRET not in result.err
        assert reveal or SECRET not in result.out
        return result

    return run_it
