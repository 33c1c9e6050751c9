"""`secretsync destination` and `secretsync plugin`."""

import json
from pathlib import Path

import pytest
from cli_kit import OCTOPUS, FakeServer, Run

from secretsync.v1.secret_sync_service_pb2 import (
    Destination,
    GetDestinationRequest,
    ListDestinationsResponse,
)

BROKEN = Destination(
    name="destinations/broken", title="Broken", unavailable_reason="ImportError: no module x"
)


def test_list(server: FakeServer, run: Run) -> None:
    server.replies["ListDestinations"] = ListDestinationsResponse(destinations=[BROKEN, OCTOPUS])
    lines = run("destination", "list").out.splitlines()
    assert lines[1].split() == ["broken", "Broken", "no", "ImportError:", "no", "module", "x"]
    assert "yes" in lines[2]
    shown = json.loads(run("destination", "list", "--json").out)["destinations"]
    assert [item["available"] for item in shown] == [False, True]


def test_get_shows_every_field(server: FakeServer, run: Run) -> None:
    server.replies["GetDestination"] = OCTOPUS
    out = run("destination", "get", "octopus-deploy").out
    lines = [line.split() for line in out.splitlines()]
    assert ["instanceUrl", "string", "yes", "Where", "Octopus", "is."] in lines
    assert ["apiKey", "string", "yes", "yes"] in lines
    assert ["scope", "string", "project"] in lines
    assert ["limit", "integer"] in lines
    assert ["scopeValues.environments", "array", "of", "string"] in lines
    assert ["projects", "spaceId", "The", "projects."] in lines
    assert server.only("GetDestination", GetDestinationRequest).name == (
        "destinations/octopus-deploy"
    )
    shown = json.loads(run("destination", "get", "octopus-deploy", "--json").out)
    assert shown["methods"][0]["method"] == "api-key"


def test_get_of_one_that_cannot_be_used(server: FakeServer, run: Run) -> None:
    server.replies["GetDestination"] = BROKEN
    out = run("destination", "get", "destinations/broken").out
    assert "ImportError: no module x" in out
    assert "Configuration" not in out


def install(folder: Path, distribution: str, entry_points: str, **modules: str) -> None:
    """Write what an installed distribution consists of."""
    info = folder / f"{distribution}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[secretsync]\n{entry_points}\n")
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)


def test_plugins_are_loaded_to_see_whether_they_can_be(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path, "vaults", "a-empty = vault_empty\nz-bad = vault_bad",
        vault_empty="", vault_bad="raise OSError('no luck')",
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    result = run("plugin", "list")
    lines = [line.split() for line in result.out.splitlines()]
    assert [line[3] for line in lines if line[0] == "octopus-deploy"] == ["yes"]
    [empty] = [line for line in lines if line[0] == "a-empty"]
    assert empty[3] == "no"
    assert "does not implement the hook(s) destination," in " ".join(empty)
    assert result.err == ""
    assert ["z-bad", "vaults", "1.2", "no", "OSError:", "no", "luck"] in lines
    shown = json.loads(run("plugin", "list", "--json").out)["plugins"]
    assert {
        "name": "z-bad",
        "distribution": "vaults",
        "version": "1.2",
        "loads": False,
        "problem": "OSError: no luck",
    } in shown
    assert "octopus-deploy" in [item["name"] for item in shown]


def test_two_plugins_of_one_name_are_pointed_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "one", "twice = vault_one", vault_one="")
    install(tmp_path, "two", "twice = vault_two", vault_two="")
    monkeypatch.syspath_prepend(tmp_path)
    lines = [line for line in run("plugin", "list").out.splitlines() if "twice" in line]
    assert len(lines) == 2
    assert all("2 plugins have this name" in line for line in lines)
