"""Octopus's official Go client against the sandbox: tests of ours, and those that it ships.

Plain `pytest` does not collect this file, whose name says no test, because it needs a Go toolchain
and builds for a minute; `make check` names it. Without Go it fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

MODULE = Path(__file__).parent / "go"
E2E = "github.com/OctopusDeploy/go-octopusdeploy/v2/test/e2e"
LISTED = tomllib.loads((MODULE / "e2e.toml").read_text())
IN_SCOPE = {name: entry["pass"] for name, entry in LISTED.items() if "pass" in entry}
DOCS = Path(__file__).parents[4] / "docs/reference/octopus-clients.md"

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class GoTests:
    """A package's tests, built.

    Attributes:
        path: The program.
        folder: The package's own folder, in which `go test` runs it.
    """

    path: Path
    folder: Path

    def run(self, *arguments: str, sandbox: Sandbox | None = None) -> str:
        """Run the tests, against `sandbox`, and return what they print."""
        environment = dict(os.environ)
        if sandbox is not None:
            environment |= {
                "OCTOPUS_URL": sandbox.base_url,
                "OCTOPUS_APIKEY": sandbox.api_key,
                "OCTOPUS_READ_ONLY_APIKEY": sandbox.read_only_api_key,
            }
        # The client prefers these to the above.
        for name in ("OCTOPUS_HOST", "OCTOPUS_API_KEY", "OCTOPUS_SPACE"):
            environment.pop(name, None)
        return _output([str(self.path), *arguments], self.folder, environment)


def _output(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what `command` prints to stdout; show all that it prints if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _passed(output: str) -> list[str]:
    """Return the names of the tests that passed, of those that were run with `-test.v`."""
    return sorted(re.findall(r"^--- PASS: (\w+)", output, re.MULTILINE))


def _build(package: str, target: Path) -> GoTests:
    """Build the tests of `package`, as published, with the versions that go.mod names."""
    installed = Path(sys.executable).with_name("go")
    go = str(installed) if installed.exists() else shutil.which("go")
    assert go is not None, "Go is needed: install the dependency group `check` (`make check` does)"
    # The toolchain that is there, and no C compiler.
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    folder = _output([go, "list", "-f", "{{.Dir}}", package], MODULE, environment).strip()
    # Without optimization: the build takes two thirds of the time, and the tests wait for answers.
    build = [go, "test", "-c", "-gcflags=all=-N -l", "-o", str(target), package]
    _output(build, MODULE, environment)
    return GoTests(target, Path(folder))


@pytest.fixture(scope="module")
def e2e(tmp_path_factory: pytest.TempPathFactory) -> GoTests:
    """The tests that the client ships."""
    return _build(E2E, tmp_path_factory.mktemp("go") / "e2e.test")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> GoTests:
    """Our own tests of the client."""
    return _build(".", tmp_path_factory.mktemp("go") / "ours.test")


def test_the_client_works_with_the_sandbox(ours: GoTests) -> None:
    with start_sandbox() as sandbox:
        passed = _passed(ours.run("-test.v", sandbox=sandbox))
    assert passed == sorted(ours.run("-test.list", ".").split())
    assert passed


def test_every_test_of_the_client_is_listed(e2e: GoTests) -> None:
    listed = [
        name
        for entry in LISTED.values()
        for name in [*entry.get("pass", []), *entry.get("out_of_scope", [])]
    ]
    assert sorted(listed) == sorted(e2e.run("-test.list", ".").split())
    assert all(entry.get("reason") for entry in LISTED.values() if "out_of_scope" in entry)


@pytest.mark.parametrize("source", IN_SCOPE)
def test_the_clients_own_tests_pass(e2e: GoTests, source: str) -> None:
    names = IN_SCOPE[source]
    # Some of them delete whatever they find: each source file gets a sandbox of its own.
    with start_sandbox() as sandbox:
        output = e2e.run("-test.v", "-test.run", f"^({'|'.join(names)})$", sandbox=sandbox)
    assert _passed(output) == sorted(names)


def test_the_counts_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    passing = sum(map(len, IN_SCOPE.values()))
    total = passing + sum(len(entry.get("out_of_scope", [])) for entry in LISTED.values())
    counts = f"{passing} of {total}"
    with capsys.disabled():
        sys.stdout.write(f"\ntests that the Go client ships: {counts} in scope\n")
    assert counts in DOCS.read_text()
