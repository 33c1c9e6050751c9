"""Node.js with @grpc/grpc-js drives the service from nothing but the protos."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from acceptance_kit import PROTOS, OctopusProject, Service, environment, installed

NODE = Path(__file__).parent / "node"
LOCK = NODE / "package-lock.json"


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    """The packages of the lock file, installed once and kept for later test runs."""
    assert pytestconfig.cache is not None
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    installed_here = pytestconfig.cache.mkdir("node") / digest
    if not installed_here.exists():
        with tempfile.TemporaryDirectory(dir=installed_here.parent) as temporary:
            project = Path(temporary) / "project"
            project.mkdir()
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(NODE / name, project)
            # No package may run code of its own while it is installed.
            options = ["--ignore-scripts", "--no-audit", "--no-fund", f"--cache={temporary}/cache"]
            npm = subprocess.run(
                [installed("npm"), "ci", *options],
                cwd=project,
                env=with_node_on_path(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert npm.returncode == 0, npm.stderr
            # Whole or not at all: an interrupted installation leaves nothing to stumble over.
            project.rename(installed_here)
    return installed_here / "node_modules"


def with_node_on_path(**changes: str) -> dict[str, str]:
    tools = Path(installed("node")).parent
    return environment(PATH=f"{tools}{os.pathsep}{os.environ['PATH']}", **changes)


def run_script(
    script: str, node_modules: Path, folder: Path, service: Service, octopus: OctopusProject
) -> dict[str, Any]:
    """Run a script from a folder of its own beside its packages, and return what it printed."""
    for source in NODE.glob("*.*"):
        shutil.copy(source, folder)
    (folder / "node_modules").symlink_to(node_modules)
    place = ["Spaces-1", octopus.project_id, "Environments-1"]
    done = subprocess.run(
        [installed("node"), script, service.address, PROTOS, octopus.sandbox.base_url, *place],
        cwd=folder,
        env=with_node_on_path(OCTOPUS_API_KEY=octopus.sandbox.api_key),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert octopus.sandbox.api_key not in done.stdout + done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    packages = json.loads(LOCK.read_text())["packages"]
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
    assert all(packages[f"node_modules/{name}"]["version"] == wanted[name] for name in wanted)


def test_node_does_the_main_job(
    node_modules: Path, tmp_path: Path, service: Service, octopus: OctopusProject
) -> None:
    (tmp_path / "node").mkdir()
    summary = run_script("client.mjs", node_modules, tmp_path / "node", service, octopus)

    assert summary["connection"]["name"] == "projects/shop/connections/octopus"
    assert summary["connection"]["credentials"] is None
    public = summary["connection"]["publicCredentials"]["fields"]
    assert public["instanceUrl"]["stringValue"] == octopus.sandbox.base_url
    assert {"id": "Spaces-1", "displayName": "Default"}.items() <= summary["spaces"][0].items()
    assert summary["sync"]["isEnabled"] is True
    assert summary["sync"]["destination"] == "destinations/octopus-deploy"

    first, second = summary["first"], summary["second"]
    names = ["EMPTY", "GREETING", "TLS_KEY"]
    assert first["state"] == "RUN_STATE_SUCCEEDED"
    assert first["trigger"] == "RUN_TRIGGER_CREATE"
    assert [
        (each["key"], each["destinationName"], each["action"]) for each in first["keyResults"]
    ] == [(name, f"Web:{name}", "KEY_ACTION_CREATED") for name in names]
    assert [each["method"] for each in first["httpRequests"]] == ["GET", "PUT", "GET"]
    assert second["state"] == "RUN_STATE_SUCCEEDED"
    assert second["trigger"] == "RUN_TRIGGER_SOURCE_CHANGE"
    counts = {"created": 0, "updated": 1, "unchanged": 2, "deleted": 0, "skipped": 0}
    assert second["counts"] == counts
    assert octopus.held() == {
        ("Web:EMPTY", "Environments-1"): "",
        ("Web:GREETING", "Environments-1"): "Servus",
        ("Web:TLS_KEY", "Environments-1"): (
            "-----BEGIN KEY-----\nMIIB\r\n\t'\"##{x}\n-----END KEY-----\n"
        ),
    }

    refused, missing = summary["refused"], summary["missing"]
    assert (refused["status"], refused["reason"]) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    assert refused["domain"] == "secretsync"
    assert [each["field"] for each in refused["violations"]] == [
        "path",
        "secrets[0].key",
        "secrets[1].key",
    ]
    assert all(each["description"] for each in refused["violations"])
    assert (missing["status"], missing["reason"]) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    assert missing["metadata"] == {"resource": "projects/nowhere"}


def test_calls_end_when_node_does_not_wait(
    node_modules: Path, tmp_path: Path, service: Service, octopus: OctopusProject
) -> None:
    (tmp_path / "node").mkdir()
    # The first requests of two proofs of credentials; then the PUT of the removal.
    octopus.sandbox.fault("delay", method="GET", times=2, seconds=60)
    octopus.sandbox.fault("delay", method="PUT", skip=1, seconds=6)

    summary = run_script("patience.mjs", node_modules, tmp_path / "node", service, octopus)

    assert summary["outOfTime"]["status"] == "DEADLINE_EXCEEDED"
    assert summary["cancelled"]["status"] == "CANCELLED"
    assert summary["left"] == [], "a call that was given up leaves nothing"
    assert summary["removal"]["status"] == "DEADLINE_EXCEEDED"
    # Far below what Octopus was made to take: nobody waited for it.
    assert all(summary[call]["seconds"] < 30 for call in ("outOfTime", "cancelled", "removal"))
    assert octopus.held() == {}, "the removal went on without its caller"
    assert octopus.sandbox.faults() == [], "Octopus was slow when it was meant to be"
