"""`buf curl` drives the service through server reflection alone, as any such tool can."""

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance_kit import PROTOS, OctopusProject, Service, environment, installed
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

VALUE = "-----BEGIN KEY-----\nGrüße, 你好, שלום, 🔑 \"'`$(x) #{y}\r\n\t-----END KEY-----\n"
PROJECT = "projects/buf-curl"
DEV = f"{PROJECT}/environments/dev"


@dataclass(frozen=True)
class BufCurl:
    """Calls methods of a service with `buf curl`, which knows nothing but its address."""

    address: str
    home: Path

    def list(self, what: str) -> list[str]:
        """Return the names that `--list-services` or `--list-methods` prints."""
        done = self._run(f"http://{self.address}", what)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def call(self, method: str, request: object) -> dict[str, Any]:
        """Return the answer of a call that succeeds."""
        done = self._call(method, request)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def refusal(self, method: str, request: object) -> dict[str, Any]:
        """Return the error of a call that fails."""
        done = self._call(method, request)
        assert done.returncode != 0, done.stdout
        error: dict[str, Any] = json.loads(done.stderr)
        return error

    def _call(self, method: str, request: object) -> subprocess.CompletedProcess[str]:
        # The request goes through stdin: arguments are visible to everyone on the machine.
        url = f"http://{self.address}/{method}"
        return self._run(url, "--data", "@-", stdin=json.dumps(request))

    def _run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                installed("buf"),
                "curl",
                "--protocol",
                "grpc",
                "--http2-prior-knowledge",
                *arguments,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.home,
            # Nothing of the user's, and nobody to ask for modules.
            env=environment(
                HOME=str(self.home),
                XDG_CACHE_HOME=str(self.home / "cache"),
                HTTPS_PROXY="http://127.0.0.1:9",
            ),
        )


@pytest.fixture
def buf_curl(shared_service: Service, tmp_path: Path) -> BufCurl:
    home = tmp_path / "home"
    home.mkdir()
    return BufCurl(shared_service.address, home)


def test_reflection_tells_every_service_and_method(buf_curl: BufCurl) -> None:
    services = buf_curl.list("--list-services")
    methods = buf_curl.list("--list-methods")

    declared = {
        f"{line.split()[1]}"
        for proto in (PROTOS / "secretsync" / "v1").glob("*.proto")
        for line in proto.read_text().splitlines()
        if line.startswith("service ")
    }
    assert declared
    assert {f"secretsync.v1.{name}" for name in declared} < set(services)
    assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} < set(services)
    rpcs = [
        line.split()[1].partition("(")[0]
        for proto in (PROTOS / "secretsync" / "v1").glob("*.proto")
        for line in proto.read_text().splitlines()
        if line.startswith("  rpc ")
    ]
    ours = [method.rpartition("/")[2] for method in methods if method.startswith("secretsync.")]
    assert sorted(ours) == sorted(rpcs)


def test_health_is_told_for_the_server_and_each_service(buf_curl: BufCurl) -> None:
    check = "grpc.health.v1.Health/Check"
    services = [name for name in buf_curl.list("--list-services") if name.startswith("secretsync.")]
    assert len(services) == 4
    for service in ("", *services):
        assert buf_curl.call(check, {"service": service}) == {"status": "SERVING"}
    assert (
        buf_curl.refusal(check, {"service": "secretsync.v1.NoSuchService"})["code"] == "not_found"
    )


def test_a_secret_comes_back_exactly_and_only_if_asked_for(buf_curl: BufCurl) -> None:
    project = {"projectId": "buf-curl"}
    created = buf_curl.call("secretsync.v1.ProjectService/CreateProject", project)
    assert created["name"] == PROJECT
    buf_curl.call(
        "secretsync.v1.ProjectService/CreateEnvironment",
        {"parent": PROJECT, "environmentId": "dev"},
    )
    answer = buf_curl.call(
        "secretsync.v1.SecretService/SetSecrets",
        {"parent": DEV, "path": "/api/keys", "secrets": [{"key": "TLS_KEY", "value": VALUE}]},
    )
    assert answer["createdCount"] == 1
    assert "value" not in answer["secrets"][0]

    get, which = "secretsync.v1.SecretService/GetSecret", {"path": "/api/keys", "key": "TLS_KEY"}
    assert "value" not in buf_curl.call(get, {"parent": DEV, **which})
    revealed = buf_curl.call(get, {"parent": DEV, **which, "includeValue": True})
    assert (revealed["value"], revealed["valueIncluded"]) == (VALUE, True)
    assert [path for path in buf_curl.home.rglob("*") if path.is_file()] == []


def test_an_error_carries_its_details(buf_curl: BufCurl, octopus: OctopusProject) -> None:
    create = "secretsync.v1.ProjectService/CreateProject"
    refused = buf_curl.refusal(
        create, {"projectId": "Web Shop", "project": {"displayName": "x" * 257}}
    )
    assert refused["code"] == "invalid_argument"
    info, bad_request = ErrorInfo(), BadRequest()
    for detail in refused["details"]:
        encoded = base64.b64decode(detail["value"] + "==")
        known = {"google.rpc.ErrorInfo": info, "google.rpc.BadRequest": bad_request}
        known[detail["type"]].ParseFromString(encoded)
    assert (info.domain, info.reason) == ("secretsync", "INVALID_FIELDS")
    fields = [violation.field for violation in bad_request.field_violations]
    assert fields == ["project_id", "project.display_name"]

    buf_curl.call(create, {"projectId": "buf-errors"})
    again = buf_curl.refusal(create, {"projectId": "buf-errors"})
    assert again["code"] == "already_exists"
    assert "projects/buf-errors" in again["message"]

    key = octopus.sandbox.expired_api_key
    denied = buf_curl.refusal(
        "secretsync.v1.ConnectionService/CreateConnection",
        {
            "parent": "projects/buf-errors",
            "connectionId": "octopus",
            "connection": {
                "destination": "destinations/octopus-deploy",
                "method": "api-key",
                "credentials": {"instanceUrl": octopus.sandbox.base_url, "apiKey": key},
            },
        },
    )
    assert denied["code"] == "failed_precondition"
    assert key not in json.dumps(denied)
