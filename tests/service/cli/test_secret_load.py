"""`secretsync secret import`: whole files, all or none."""

import json
from pathlib import Path

import grpc
import pytest
from cli_kit import SECRET, Failure, FakeServer, Run

from secretsync.v1.secret_service_pb2 import (
    Secret,
    SetSecretsRequest,
    SetSecretsResponse,
)


@pytest.fixture(autouse=True)
def _empty_folder(server: FakeServer) -> None:
    server.replies["ListSecrets"] = Failure(grpc.StatusCode.NOT_FOUND, "no such folder")
    server.replies["SetSecrets"] = lambda request: SetSecretsResponse(
        created_count=len(request.secrets)
    )


@pytest.fixture
def many(tmp_path: Path) -> str:
    """A file with more secrets than one request can have."""
    file = tmp_path / "many.json"
    file.write_text(json.dumps({f"K{number:04}": "v" for number in range(2001)}))
    return str(file)


def test_a_dotenv_file_is_one_request(server: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dev.env"
    file.write_bytes(f"\ufeffA='{SECRET}'\r\nB=\r\n".encode())
    server.replies["SetSecrets"] = SetSecretsResponse(created_count=1, runs=["r/1"])
    result = run("secret", "import", str(file), "-e", "dev", "--path", "/api")
    assert result.code == 0
    assert [line.split() for line in result.out.splitlines()] == [
        ["FOLDER", "CREATED", "UPDATED", "UNCHANGED"],
        ["dev:/api", "1", "0", "1"],
        ["Queued", "r/1."],
    ]
    assert server.only("SetSecrets", SetSecretsRequest) == SetSecretsRequest(
        parent="projects/shop/environments/dev",
        path="/api",
        secrets=[Secret(key="A", value=SECRET), Secret(key="B")],
    )


def test_comments_are_left_to_the_server_which_keeps_them(server: FakeServer, run: Run) -> None:
    result = run("secret", "import", "-", "-e", "dev", "--format", "yaml", stdin=b"A: x\nB: y\n")
    assert result.code == 0
    sent = server.only("SetSecrets", SetSecretsRequest).secrets
    assert [(item.key, item.HasField("comment")) for item in sent] == [("A", False), ("B", False)]


def test_stdin_needs_a_format(server: FakeServer, run: Run) -> None:
    result = run("secret", "import", "-", "-e", "dev", stdin=b"A=1")
    assert result.code == 2
    assert "--format" in result.err
    assert not server.requests


def test_a_bad_file_changes_nothing(server: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"A: 5\nB: '{SECRET}'\n")
    result = run("secret", "import", str(file), "-e", "dev")
    assert result.code == 2
    assert "the value of A is a number" in result.err
    assert "quote it" in result.err
    assert not server.requests


def test_a_dry_run_only_validates(server: FakeServer, run: Run) -> None:
    result = run(
        "secret", "import", "-", "-e", "dev", "--format", "dotenv", "--dry-run", "--json",
        stdin=b"A=1\nB=2\n",
    )  # fmt: skip
    assert json.loads(result.out) == {
        "createdCount": 2,
        "updatedCount": 0,
        "unchangedCount": 0,
        "runs": [],
    }
    assert "nothing was changed" in result.err
    assert server.only("SetSecrets", SetSecretsRequest).validate_only


def test_a_file_too_large_for_one_request_is_refused(
    server: FakeServer, run: Run, many: str
) -> None:
    result = run("secret", "import", many, "-e", "dev")
    assert result.code == 2
    assert "2001 secrets do not fit one request" in result.err
    assert "--in-batches loads them in 3 requests" in result.err
    assert "SetSecrets" not in server.methods


def test_batches_are_all_checked_before_the_first_is_written(
    server: FakeServer, run: Run, many: str
) -> None:
    result = run("secret", "import", many, "-e", "dev", "--in-batches")
    assert result.code == 0
    assert result.out.splitlines()[1].split() == ["dev:/", "2001", "0", "0"]
    sent = server.all("SetSecrets", SetSecretsRequest)
    assert [(len(item.secrets), item.validate_only) for item in sent] == [
        (1000, True), (1000, True), (1, True), (1000, False), (1000, False), (1, False)
    ]  # fmt: skip
    assert [secret.key for item in sent[3:] for secret in item.secrets] == [
        f"K{number:04}" for number in range(2001)
    ]


def test_a_dry_run_of_batches_checks_each_once(server: FakeServer, run: Run, many: str) -> None:
    assert run("secret", "import", many, "-e", "dev", "--in-batches", "--dry-run").code == 0
    sent = server.all("SetSecrets", SetSecretsRequest)
    assert [item.validate_only for item in sent] == [True] * 3


def test_a_failure_in_mid_load_says_how_far_it_came(
    server: FakeServer, run: Run, many: str
) -> None:
    def reply(request: SetSecretsRequest) -> SetSecretsResponse | Failure:
        if not request.validate_only and len(server.all("SetSecrets", SetSecretsRequest)) == 5:
            return Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the disk is full")
        return SetSecretsResponse()

    server.replies["SetSecrets"] = reply
    result = run("secret", "import", many, "-e", "dev", "--in-batches")
    assert result.code == 1
    assert "the disk is full (batches 1 to 1 of 3 were loaded)" in result.err
    assert "repeat the command" in result.err


def test_a_failure_of_the_first_batch_is_just_that(server: FakeServer, run: Run) -> None:
    server.replies["SetSecrets"] = Failure(grpc.StatusCode.NOT_FOUND, "no environment dev")
    result = run("secret", "import", "-", "-e", "dev", "--format", "json", stdin=b'{"A": "x"}')
    assert result.code == 3
    assert "batches" not in result.err


def test_requests_stay_below_the_size_limit(server: FakeServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text(json.dumps({f"K{number}": "x" * 60_000 for number in range(300)}))
    assert run("secret", "import", str(file), "-e", "dev", "--in-batches").code == 0
    sent = server.all("SetSecrets", SetSecretsRequest)
    assert len(sent) == 4
    assert all(item.ByteSize() <= 16 * 1024 * 1024 for item in sent)
