"""`make demo` as newcomers run it: it shows the main job, cleans up, and fails when it must."""

import importlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import psutil
import pytest
from acceptance_kit import Service, environment, wait_until
from tampering_proxy import Tamper, tampering_proxy

from secretsync_octopus_deploy.sandbox.process import start_sandbox

DEMO = Path(__file__).parent / "demo"
OWN_FILE = {
    "TLS_KEY": '"-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n"',
    "GREETING": "'Grüße, 你好, 🔑'",
    "Quoted": '"She said \\"hi\\", and it\'s fine"',
    "TEMPLATE": "'Hello #{Customer.Name}'",
    "EMPTY": "",
    "plain.lower": "lower # a comment",
}


@dataclass
class Demo:
    """The demo, run where it can be seen what it leaves behind."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        for name in ("tmp", "home"):
            (self.folder / name).mkdir()
        return subprocess.Popen(
            [sys.executable, DEMO, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(
                TMPDIR=str(self.folder / "tmp"),
                HOME=str(self.folder / "home"),
                DEMO_MARK=self.mark,
                COLUMNS="120",
            ),
            start_new_session=True,
        )

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Return its exit code and its output, after it was seen that nothing is left of it."""
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=240)
        self.check_that_nothing_is_left()
        return process.returncode, output

    def processes(self) -> list[psutil.Process]:
        """Return the processes that it started and that live, whoever is their parent now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DEMO_MARK") == self.mark
        except psutil.Error:
            return False

    def check_that_nothing_is_left(self) -> None:
        assert self.processes() == []
        assert [*(self.folder / "tmp").iterdir(), *(self.folder / "home").iterdir()] == []


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path)


def in_one_line(output: str) -> str:
    """Return the output with its lines, which are broken to fit a terminal, joined."""
    return " ".join(output.split())


def test_it_shows_the_main_job(demo: Demo) -> None:
    code, output = demo.run()
    assert code == 0, output
    said = in_one_line(output)
    for words in (
        "dev: 200 secrets loaded",
        "prod: 200 secrets loaded",
        "projects/web-shop/connections/octopus at http://127.0.0.1:",
        "spaces: Default (Spaces-1)",
        "dev created everything: 200 created",
        "prod: 200 unchanged",
        "'AUTH_API_KEY': 'updated'",
        "'AUTH_API_URL': 'deleted'",
        "dev: 199 deleted",
        "prod's 200 variables are as they were, and so are the 14 that were there before the demo",
        "Memory of the service: ",
        "All as it should be, in ",
    ):
        assert words in said
    requests = [line.split("│")[1:3] for line in output.splitlines() if "│ GET" in line]
    table = [(run.strip(), methods.strip()) for run, methods in requests]
    assert table[:4] == [
        ("dev, first run", "GET, PUT, GET"),
        ("prod, first run", "GET, PUT, GET"),
        ("dev, again", "GET"),
        ("prod, again", "GET"),
    ]
    # One run may carry both changes over, if the second comes before it has begun.
    auto_syncs = dict(table[4:-1])
    assert auto_syncs["dev, auto-sync 1"] == "GET, PUT, GET"
    assert set(auto_syncs) <= {"dev, auto-sync 1", "dev, auto-sync 2"}
    assert table[-1] == ("dev, removal", "GET, PUT, GET")


def test_it_takes_a_file_of_ones_own(demo: Demo, tmp_path: Path) -> None:
    own = tmp_path / "my own.env"
    own.write_text("\n".join(f"{key}={value}" for key, value in OWN_FILE.items()) + "\n")
    code, output = demo.run(own)
    assert code == 0, output
    said = in_one_line(output)
    for words in (
        "dev: 6 secrets loaded",
        "prod: 6 secrets loaded",
        "dev created everything: 6 created",
        "'GREETING': 'updated'",
        "'Quoted': 'deleted'",
        "dev: 5 deleted",
        "All as it should be, in ",
    ):
        assert words in said
    for value in ("MIIB", "Grüße", "Customer.Name", "lower #"):
        assert value not in output, "it shows names, never values"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, ["No such file or directory", "own.env"]),
        ("", ["no secrets"]),
        ("A=1\nB='never closed\nC=3\n", ["line 2"]),
        ("DB_PASSWORD=a\nDB_PASSWORD=b\nC=c\n", ["DB_PASSWORD", "twice"]),
        ("DB_PASSWORD=a\ndb_password=b\nC=c\n", ["'DB_PASSWORD'", "'db_password'", "the same"]),
    ],
    ids=["missing", "empty", "malformed", "twice", "case"],
)
def test_it_says_what_is_wrong_with_a_file(
    demo: Demo, tmp_path: Path, content: str | None, told: list[str]
) -> None:
    own = tmp_path / "own.env"
    if content is not None:
        own.write_text(content)
    code, output = demo.run(own)
    assert code == 1
    assert "Traceback" not in output
    last_words = in_one_line(output.partition("The demo failed. ")[2])
    assert all(word in last_words for word in told), output
    assert "never closed" not in output


@pytest.mark.usefixtures("interruptible")
def test_nothing_is_left_of_it_after_ctrl_c(demo: Demo) -> None:
    with demo.start() as process:
        wait_until(lambda: list(demo.folder.glob("tmp/*/data/secretsync.db")), "the service works")
        assert len(demo.processes()) == 3
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    demo.check_that_nothing_is_left()


def test_nothing_is_left_of_it_when_it_alone_is_told_to_end(demo: Demo) -> None:
    with demo.start() as process:
        wait_until(lambda: list(demo.folder.glob("tmp/*/data/secretsync.db")), "the service works")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    demo.check_that_nothing_is_left()


def corrupt_a_secret(rows: list[dict[str, Any]]) -> None:
    """Spoil a value of ours, which nobody can read back from Octopus."""
    for row in rows:
        if row["Value"] == "dev key":
            row["Value"] = "dev key "


def overwrite_what_is_not_ours(rows: list[dict[str, Any]]) -> None:
    """Spoil a sensitive variable that was there before, which shows just as little."""
    (row,) = (
        row
        for row in rows
        if row["Name"] == "DB.Password" and row["Scope"] == {"Environment": ["Environments-1"]}
    )
    row["Value"] = "overwritten"


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The demo's steps, imported as the demo imports them."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(DEMO)
    yield importlib.import_module("scenario")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(DEMO)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        (corrupt_a_secret, "Octopus holds exactly the secrets of dev, prod"),
        (overwrite_what_is_not_ours, "the variables that were there before are unchanged"),
    ],
)
def test_it_fails_if_what_octopus_holds_is_not_exactly_so(
    scenario: ModuleType, service: Service, tamper: Tamper, complaint: str
) -> None:
    api, checks = (importlib.import_module(name) for name in ("api", "checks"))
    wanted = {name: {"TLS_KEY": f"{name} key", "A": "1", "B": "2"} for name in ("dev", "prod")}
    with (
        start_sandbox() as octopus,
        tampering_proxy(octopus.base_url, tamper) as proxy,
        grpc.insecure_channel(service.address) as channel,
    ):
        # The service goes through the proxy, and the demo looks at what really arrived.
        octopus.base_url = proxy
        steps = scenario.Scenario(api.Api(channel), octopus, wanted)
        with pytest.raises(checks.DemoFailedError, match=complaint):
            steps.run()
