"""Node.js with @grpc/grpc-js drives the service from nothing but the protos."""

from pathlib import Path
from typing import Any

import pytest
from acceptance_kit import PROTOS, OctopusProject, Service, environment
from node_kit import check_lock_file, install_packages, run_script

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    return install_packages(NODE, pytestconfig)


def run(
    script: str, node_modules: Path, folder: Path, service: Service, octopus: OctopusProject
) -> dict[str, Any]:
    place = ["Spaces-1", octopus.project_id, "Environments-1"]
    return run_script(
        NODE,
        script,
        [service.address, PROTOS, octopus.sandbox.base_url, *place],
        node_modules=node_modules,
        folder=folder / "node",
        environment=environment(),
        secrets={"OCTOPUS_API_KEY": octopus.sandbox.api_key},
    )


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    check_lock_file(NODE)


def test_node_does_the_main_job(
    node_modules: Path, tmp_path: Path, service: Service, octopus: OctopusProject
) -> None:
    summary = run("client.mjs", node_modules, tmp_path, service, octopus)

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
    counts = {"created": 0, "updated": 1, "unchanged": 2, "deleted": 0, "skipped": 0, "failed": 0}
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
    # The first requests of two proofs of credentials; then the PUT of the removal.
    octopus.sandbox.fault("delay", method="GET", times=2, seconds=60)
    octopus.sandbox.fault("delay", method="PUT", skip=1, seconds=6)

    summary = run("patience.mjs", node_modules, tmp_path, service, octopus)

    assert summary["outOfTime"]["status"] == "DEADLINE_EXCEEDED"
    assert summary["cancelled"]["status"] == "CANCELLED"
    assert summary["left"] == [], "a call that was given up leaves nothing"
    assert summary["removal"]["status"] == "DEADLINE_EXCEEDED"
    # Far below what Octopus was made to take: nobody waited for it.
    assert all(summary[call]["seconds"] < 30 for call in ("outOfTime", "cancelled", "removal"))
    assert octopus.held() == {}, "the removal went on without its caller"
    assert octopus.sandbox.faults() == [], "Octopus was slow when it was meant to be"
