"""`secretsync secret-import`: folders that import folders."""

import json

import pytest
from cli_kit import FakeServer, Run

from secretsync.v1.secret_service_pb2 import (
    CreateSecretImportRequest,
    DeleteSecretImportRequest,
    ListSecretImportsRequest,
    ListSecretImportsResponse,
    SecretImport,
)

DEV = "projects/shop/environments/dev"
BASE = "projects/shop/environments/base"


def test_create(server: FakeServer, run: Run) -> None:
    server.replies["CreateSecretImport"] = SecretImport(name=f"{DEV}/secretImports/i1")
    result = run(
        "secret-import", "create", "-e", "dev", "--path", "/api",
        "--from-environment", "base", "--from-path", "/common",
    )  # fmt: skip
    assert result.out == f"Created {DEV}/secretImports/i1.\n"
    assert server.only("CreateSecretImport", CreateSecretImportRequest) == (
        CreateSecretImportRequest(
            parent=DEV,
            secret_import=SecretImport(path="/api", import_environment=BASE, import_path="/common"),
        )
    )


def test_list(server: FakeServer, run: Run) -> None:
    server.replies["ListSecretImports"] = ListSecretImportsResponse(
        secret_imports=[
            SecretImport(
                name=f"{DEV}/secretImports/i1",
                path="/",
                import_environment=BASE,
                import_path="/common",
                position=1,
            )
        ]
    )
    result = run("secret-import", "list", "-e", "dev")
    assert result.out.splitlines()[1].split() == ["i1", "/", "1", "base:/common", "-"]
    result = run("secret-import", "list", "-e", "dev", "--path", "/", "--json")
    assert json.loads(result.out)["secretImports"][0]["position"] == 1
    requests = server.all("ListSecretImports", ListSecretImportsRequest)
    assert [item.path for item in requests] == ["", "/"]


@pytest.mark.parametrize("words", [["i1", "-e", "dev"], [f"{DEV}/secretImports/i1"]])
def test_delete(server: FakeServer, run: Run, words: list[str]) -> None:
    result = run("secret-import", "delete", *words)
    assert result.out == f"Deleted {DEV}/secretImports/i1.\n"
    request = server.only("DeleteSecretImport", DeleteSecretImportRequest)
    assert request.name == f"{DEV}/secretImports/i1"


def test_a_short_id_needs_an_environment(server: FakeServer, run: Run) -> None:
    result = run("secret-import", "delete", "i1")
    assert result.code == 2
    assert "--environment" in result.err
    assert not server.requests
