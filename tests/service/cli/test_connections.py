"""`secretsync connection`: credentials that never appear on the command line."""

import json
from pathlib import Path

import pytest
from cli_kit import OCTOPUS, SECRET, FakeServer, Run, Terminal, struct
from google.protobuf.json_format import MessageToDict

from secretsync.v1.connection_service_pb2 import (
    Connection,
    ConnectionOption,
    CreateConnectionRequest,
    DeleteConnectionRequest,
    ListConnectionOptionsRequest,
    ListConnectionOptionsResponse,
    ListConnectionsResponse,
    UpdateConnectionRequest,
    ValidateConnectionRequest,
    ValidateConnectionResponse,
)
from secretsync.v1.secret_sync_service_pb2 import (
    Destination,
    DestinationMethod,
    GetDestinationRequest,
)

NAME = "projects/shop/connections/octopus"
URL = "https://octopus.example"
PRESENT = Connection(
    name=NAME,
    destination="destinations/octopus-deploy",
    method="api-key",
    public_credentials=struct({"instanceUrl": URL}),
    credentials_hash="abc",
    version=2,
)
CREATE = ["connection", "create", "octopus", "--destination", "octopus-deploy"]


@pytest.fixture(autouse=True)
def _octopus(server: FakeServer) -> None:
    server.replies["GetDestination"] = OCTOPUS
    server.replies["CreateConnection"] = PRESENT
    server.replies["UpdateConnection"] = PRESENT
    server.replies["GetConnection"] = PRESENT


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    """A file with the API key and a line break, as editors write it."""
    file = tmp_path / "key"
    file.write_bytes(f"{SECRET}\r\n".encode())
    return str(file)


def test_create_with_a_key_from_a_file(server: FakeServer, run: Run, key_file: str) -> None:
    result = run(
        *CREATE, "--method", "api-key", "--set", f"instanceUrl={URL}",
        "--secret-file", f"apiKey={key_file}", "--description", "Ours", "--request-id", "r",
    )  # fmt: skip
    assert (result.code, result.out) == (0, f"Created {NAME}.\n")
    assert server.only("GetDestination", GetDestinationRequest).name == (
        "destinations/octopus-deploy"
    )
    assert server.only("CreateConnection", CreateConnectionRequest) == CreateConnectionRequest(
        parent="projects/shop",
        connection_id="octopus",
        connection=Connection(
            description="Ours",
            destination="destinations/octopus-deploy",
            method="api-key",
            credentials=struct({"instanceUrl": URL, "apiKey": SECRET}),
        ),
        request_id="r",
    )


def credentials_sent(server: FakeServer) -> object:
    request = server.only("CreateConnection", CreateConnectionRequest)
    return MessageToDict(request.connection.credentials)


def test_fields_have_the_type_that_the_schema_says(server: FakeServer, run: Run) -> None:
    words = [*CREATE, "--set", f"instanceUrl={URL}", "--secret-stdin", "apiKey", "--set"]
    assert run(*words, "allowHttp=true", stdin=SECRET.encode()).code == 0
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET, "allowHttp": True}
    result = run(*words, "allowHttp=1", stdin=SECRET.encode())
    assert result.code == 2
    assert "--set: allowHttp must be of type boolean" in result.err


def test_create_with_a_key_from_stdin(server: FakeServer, run: Run) -> None:
    result = run(
        *CREATE, "--set", f"instanceUrl={URL}", "--secret-stdin", "apiKey",
        stdin=f"{SECRET}\n".encode(),
    )  # fmt: skip
    assert result.code == 0
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET}


@pytest.mark.parametrize("stdin", [True, False])
def test_create_with_a_file_of_credentials(
    server: FakeServer, run: Run, tmp_path: Path, *, stdin: bool
) -> None:
    content = json.dumps({"instanceUrl": "https://other", "apiKey": SECRET})
    file = tmp_path / "credentials.json"
    file.write_text(content)
    result = run(
        *CREATE, "--credentials-file", "-" if stdin else str(file),
        "--set", f"instanceUrl={URL}", stdin=content.encode(),
    )  # fmt: skip
    assert result.code == 0
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET}


def test_a_secret_field_is_refused_on_the_command_line(server: FakeServer, run: Run) -> None:
    result = run(*CREATE, "--set", f"apiKey={SECRET}")
    assert result.code == 2
    assert "--set apiKey=... would be visible in the process list" in result.err
    assert "--secret-file apiKey=FILE" in result.err
    assert "CreateConnection" not in server.methods


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--set", SECRET], "--set takes name=value"),
        (["--set", f"={SECRET}"], "--set takes name=value"),
        (["--set", f"apikey={SECRET}"], "there is no credential field 'apikey'"),
        (["--secret-file", "key=x"], "there are: apiKey, instanceUrl, allowHttp"),
        (["--secret-stdin", "key"], "there is no credential field 'key'"),
        (["--secret", "key"], "there is no credential field 'key'"),
        (["--secret", "apiKey"], "no terminal to ask on"),
        (["--secret-stdin", "apiKey", "--credentials-file", "-"], "stdin can be read once"),
        (["--credentials-file", "-"], "does not hold a valid JSON or YAML object"),
        ([], "missing credentials: apiKey, instanceUrl"),
        (["--set", f"instanceUrl={URL}"], "missing credentials: apiKey"),
        (["--method", "password"], "--method for octopus-deploy must be one of: api-key"),
    ],
)
def test_credentials_that_cannot_be(
    server: FakeServer, run: Run, words: list[str], problem: str
) -> None:
    result = run(*CREATE, *words)
    assert result.code == 2
    assert problem in result.err
    assert "CreateConnection" not in server.methods


def test_missing_fields_are_asked_for_on_a_terminal(server: FakeServer) -> None:
    with Terminal(*CREATE, address=server.address) as terminal:
        terminal.expect("instanceUrl: ")
        terminal.send(URL)
        terminal.expect("apiKey: ")
        terminal.send(SECRET)
        assert terminal.finish() == 0
        assert SECRET not in terminal.seen
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET}


def test_a_named_secret_is_asked_for_on_a_terminal(server: FakeServer) -> None:
    words = [*CREATE, "--set", f"instanceUrl={URL}", "--secret", "apiKey"]
    with Terminal(*words, address=server.address) as terminal:
        terminal.expect("apiKey: ")
        terminal.send(SECRET)
        assert terminal.finish() == 0
        assert "hunter2" not in terminal.seen
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET}


def test_a_missing_public_field_is_asked_for(server: FakeServer, run: Run, key_file: str) -> None:
    result = run(*CREATE, "--secret-file", f"apiKey={key_file}", typed=f"{URL}\n")
    assert result.code == 0
    assert "instanceUrl: " in result.err
    assert credentials_sent(server) == {"instanceUrl": URL, "apiKey": SECRET}


def test_a_destination_that_cannot_be_used(server: FakeServer, run: Run) -> None:
    server.replies["GetDestination"] = Destination(
        name="destinations/octopus-deploy", unavailable_reason="ImportError: no module named x"
    )
    result = run(*CREATE)
    assert result.code == 4
    assert "octopus-deploy cannot be used: ImportError" in result.err


def test_the_first_method_is_taken_if_none_is_named(
    server: FakeServer, run: Run, key_file: str
) -> None:
    several = Destination()
    several.CopyFrom(OCTOPUS)
    several.methods.append(
        DestinationMethod(method="token", credentials_schema=struct({"type": "object"}))
    )
    server.replies["GetDestination"] = several
    result = run(*CREATE, "--method", "other")
    assert result.code == 2
    assert "must be one of: api-key, token" in result.err
    words = [[], ["--method", "token", "--set", "a=b"]]
    for each in words:
        given = ["--set", f"instanceUrl={URL}", "--secret-file", f"apiKey={key_file}"]
        assert run(*CREATE, *given, *each).code == 0
    sent = server.all("CreateConnection", CreateConnectionRequest)
    assert [each.connection.method for each in sent] == ["api-key", "token"]
    assert "a" in sent[1].connection.credentials


def test_get(server: FakeServer, run: Run) -> None:
    result = run("connection", "get", "octopus")
    assert f"instanceUrl       {URL}" in result.out
    shown = json.loads(run("connection", "get", NAME, "--json").out)
    assert shown["publicCredentials"] == {"instanceUrl": URL}
    assert "credentials" not in shown
    assert server.methods == ["GetConnection", "GetConnection"]


def test_list(server: FakeServer, run: Run) -> None:
    server.replies["ListConnections"] = ListConnectionsResponse(connections=[PRESENT])
    result = run("connection", "list")
    assert result.out.splitlines()[1].split() == ["octopus", "octopus-deploy", "api-key", "-"]
    assert json.loads(run("connection", "list", "--json").out)["connections"][0]["version"] == "2"


def test_update_of_the_description_alone(server: FakeServer, run: Run) -> None:
    result = run("connection", "update", "octopus", "--description", "d", "--etag", "e")
    assert (result.code, result.out) == (0, f"Updated {NAME}.\n")
    request = server.only("UpdateConnection", UpdateConnectionRequest)
    assert request.connection == Connection(name=NAME, description="d", etag="e")
    assert list(request.update_mask.paths) == ["description"]


def test_update_of_the_key_keeps_the_public_fields(
    server: FakeServer, run: Run, key_file: str
) -> None:
    result = run("connection", "update", "octopus", "--secret-file", f"apiKey={key_file}")
    assert result.code == 0
    request = server.only("UpdateConnection", UpdateConnectionRequest)
    assert MessageToDict(request.connection.credentials) == {
        "instanceUrl": URL,
        "apiKey": SECRET,
    }
    assert list(request.update_mask.paths) == ["credentials"]


def test_update_of_a_public_field_needs_the_secret_ones_again(server: FakeServer, run: Run) -> None:
    result = run("connection", "update", "octopus", "--set", "instanceUrl=https://new")
    assert result.code == 2
    assert "missing credentials: apiKey" in result.err
    assert "UpdateConnection" not in server.methods


def test_update_of_the_method_starts_from_nothing(server: FakeServer, run: Run) -> None:
    present = Connection()
    present.CopyFrom(PRESENT)
    present.method = "token"
    server.replies["GetConnection"] = present
    result = run(
        "connection", "update", "octopus", "--method", "api-key", "--credentials-file", "-",
        stdin=json.dumps({"instanceUrl": "https://new", "apiKey": SECRET}).encode(),
    )  # fmt: skip
    assert result.code == 0
    request = server.only("UpdateConnection", UpdateConnectionRequest)
    assert list(request.update_mask.paths) == ["method", "credentials"]
    assert request.connection.method == "api-key"


def test_delete(server: FakeServer, run: Run) -> None:
    assert run("connection", "delete", "octopus").out == f"Deleted {NAME}.\n"
    assert server.only("DeleteConnection", DeleteConnectionRequest).name == NAME


def test_validate(server: FakeServer, run: Run) -> None:
    server.replies["ValidateConnection"] = ValidateConnectionResponse(
        summary="as alice, Octopus 2025.1", warnings=["the key expires tomorrow"]
    )
    result = run("connection", "validate", "octopus")
    assert result.out == "as alice, Octopus 2025.1\nwarning: the key expires tomorrow\n"
    assert server.only("ValidateConnection", ValidateConnectionRequest).name == NAME
    assert json.loads(run("connection", "validate", "octopus", "--json").out)["warnings"]


def test_options(server: FakeServer, run: Run) -> None:
    server.replies["ListConnectionOptions"] = [
        ListConnectionOptionsResponse(
            options=[ConnectionOption(id="Projects-1", display_name="Shop")], next_page_token="t"
        ),
        ListConnectionOptionsResponse(options=[ConnectionOption(id="Projects-2")]),
    ]
    words = ["connection", "options", "octopus", "projects", "--param", "spaceId=Spaces-1"]
    result = run(*words)
    assert [line.split() for line in result.out.splitlines()[1:]] == [
        ["Projects-1", "Shop"],
        ["Projects-2"],
    ]
    request = server.all("ListConnectionOptions", ListConnectionOptionsRequest)[0]
    assert request == ListConnectionOptionsRequest(
        name=NAME, option_list="projects", parameters={"spaceId": "Spaces-1"}, page_size=1000
    )
    assert len(json.loads(run(*words, "--json").out)["options"]) == 1


def test_options_without_a_list_shows_the_lists(server: FakeServer, run: Run) -> None:
    result = run("connection", "options", "octopus")
    assert "projects  --param spaceId=...  The projects." in result.out
    shown = json.loads(run("connection", "options", "octopus", "--json").out)["optionLists"]
    assert [item["optionList"] for item in shown] == ["spaces", "projects"]
    assert run("connection", "options", "octopus", "--param", "a=b").code == 2
    assert server.methods == ["GetConnection", "GetDestination"] * 2
