"""Bad input that an Octopus has to judge: a clear answer, and nothing changed on either side."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from refusals import Refusal, invalid_fields, refused
from service_kit import CONNECTION, Service, struct

from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-1"
PLACE = {"spaceId": "Spaces-1", "projectId": "Projects-1"}
CONFIG = "secret_sync.destination_config"
URL = "connection.credentials.instanceUrl"
KEY = "connection.credentials.apiKey"


@pytest.fixture(autouse=True)
def _unchanged(octopus: Service, sandbox: Sandbox) -> Iterator[None]:
    """Whatever a test here tries, nothing may have changed at the end of it."""
    before, variables = octopus.dump(), sandbox.inspect(SET)
    yield
    assert sandbox.inspect(SET) == variables
    after = octopus.dump()
    histories = {"runs", "run_details", "run_attempts", "sync_events", "sqlite_sequence"}
    tried = {"secrets", "secret_syncs", "key_states", *histories}
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= tried


def connect(octopus: Service, url: str, key: str) -> Any:  # noqa: ANN401
    return octopus.connect(
        "new",
        destination="octopus-deploy",
        method="api-key",
        credentials={"instanceUrl": url, "apiKey": key},
    )


async def not_kept(octopus: Service, attempt: Any) -> Refusal:  # noqa: ANN401
    before = octopus.dump()
    refusal = await refused(attempt)
    assert octopus.dump() == before
    return refusal


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "must begin with https://"),
        ("ftp://octopus.example", "must begin with https://"),
        ("octopus.example", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("http://octopus.example", "use https: over http the credentials and all secrets travel"),
        ("https://user:pass@octopus.example", "must not contain credentials: put the API key"),
        ("https://", "must name a host"),
        ("https://octopus.example:99999", "is not a valid address"),
        ("https://octopus.example?x=1", "must not have a query or fragment"),
        ("https://octo pus.example", "must be an address of plain ASCII characters"),
        ("https://octopus.example/a/../b", "must have a plain base path"),
        ("https://" + "x" * 250 + ".example", "String should have at most 255 characters"),
    ],
)
async def test_an_instance_url_that_breaks_a_rule(octopus: Service, url: str, rule: str) -> None:
    fields = await invalid_fields(connect(octopus, url, "API-KEY"))
    assert fields.keys() == {URL}
    assert fields[URL].startswith(rule)
    assert "pass@" not in fields[URL]


@pytest.mark.parametrize("key", ["", "key", "API-", "API-lower", "API-KEY\n", "API-K\u00c4Y"])
async def test_an_api_key_of_the_wrong_shape(octopus: Service, sandbox: Sandbox, key: str) -> None:
    fields = await invalid_fields(connect(octopus, sandbox.base_url, key))
    assert fields == {KEY: 'must be "API-" followed by capital letters and digits'}


async def test_a_wrong_and_an_expired_api_key(octopus: Service, sandbox: Sandbox) -> None:
    for key in ("API-WRONG", sandbox.expired_api_key):
        refusal = await not_kept(octopus, connect(octopus, sandbox.base_url, key))
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "AUTHENTICATION_FAILED"
        assert "Check the connection's apiKey" in refusal.message
        assert key not in refusal.message
        changed = connection_pb.Connection(
            name=CONNECTION,
            credentials=struct({"instanceUrl": sandbox.base_url, "apiKey": key}),
        )
        update = connection_pb.UpdateConnectionRequest(connection=changed)
        refusal = await not_kept(octopus, octopus.connections.UpdateConnection(update))
        assert refusal.reason == "AUTHENTICATION_FAILED"
    request = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    assert (await octopus.connections.ValidateConnection(request)).summary


async def test_an_instance_that_redirects(octopus: Service, sandbox: Sandbox) -> None:
    sandbox.fault("redirect", location="https://elsewhere.example/api", times=None)
    refusal = await not_kept(octopus, connect(octopus, sandbox.base_url, "API-KEY"))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "DESTINATION_CONFIG_INVALID"
    assert refusal.fields == {
        URL: "redirects to https://elsewhere.example; set instanceUrl to where Octopus itself is"
    }


async def test_an_instance_that_is_not_octopus(octopus: Service, sandbox: Sandbox) -> None:
    sandbox.fault("status", status=200, body="html", path="^/api$")
    refusal = await not_kept(octopus, connect(octopus, sandbox.base_url, "API-KEY"))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields.keys() == {URL}
    assert "something else answers there" in refusal.fields[URL]


async def test_an_unreachable_instance(octopus: Service, sandbox: Sandbox) -> None:
    # Port 1 is reserved, and nothing listens there.
    refusal = await not_kept(octopus, connect(octopus, "http://127.0.0.1:1", "API-KEY"))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert refusal.reason == "DESTINATION_UNAVAILABLE"
    assert "127.0.0.1:1" in refusal.message
    sandbox.fault("cut_connection", times=None)
    refusal = await not_kept(octopus, connect(octopus, sandbox.base_url, sandbox.api_key))
    assert refusal.reason == "DESTINATION_UNAVAILABLE"


async def test_an_instance_that_asks_for_patience(octopus: Service, sandbox: Sandbox) -> None:
    sandbox.fault("rate_limit", retry_after=17)
    refusal = await not_kept(octopus, connect(octopus, sandbox.base_url, sandbox.api_key))
    assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert (refusal.reason, refusal.retry_after) == ("RATE_LIMITED", 17)


async def test_a_read_only_key_cannot_sync(octopus: Service, sandbox: Sandbox) -> None:
    # It can be connected: which permissions are needed depends on the sync.
    await octopus.projects.CreateProject(project_pb.CreateProjectRequest(project_id="new"))
    await octopus.projects.CreateEnvironment(
        project_pb.CreateEnvironmentRequest(parent="projects/new", environment_id="dev")
    )
    await octopus.connect(
        parent="projects/new",
        destination="octopus-deploy",
        method="api-key",
        credentials={"instanceUrl": sandbox.base_url, "apiKey": sandbox.read_only_api_key},
    )
    attempt = octopus.add_sync(
        parent="projects/new",
        connection="projects/new/connections/main",
        source=pb.SecretSource(environment="projects/new/environments/dev"),
        destination_config=struct(PLACE),
    )
    refusal = await not_kept(octopus, attempt)
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "DESTINATION_PERMISSION_DENIED"
    assert "VariableEditUnscoped" in refusal.message
    everything = project_pb.DeleteProjectRequest(name="projects/new", force=True)
    await octopus.projects.DeleteProject(everything)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"spaceId": "is required", "projectId": "is required"}),
        ({**PLACE, "projectID": "x"}, {"projectID": "is not a field; known fields are: lib"}),
        ({**PLACE, "spaceId": "default"}, {"spaceId": 'must be an id such as "Spaces-1"'}),
        ({**PLACE, "projectId": 7}, {"projectId": "Input should be a valid string"}),
        (
            {**PLACE, "scope": "library"},
            {"scope": "Input should be 'project' or 'library-variable-set'"},
        ),
        (
            {**PLACE, "scope": "library-variable-set", "scopeValues": {"channels": ["Channels-1"]}},
            {
                "projectId": 'must not be set with scope "library-variable-set"',
                "libraryVariableSetId": 'is required with scope "library-variable-set"',
                "scopeValues": "a library variable set has no processes, actions (steps) and",
            },
        ),
        (
            {**PLACE, "scopeValues": {"environment": [], "roles": "web"}},
            {
                "scopeValues.environment": "is not a field",
                "scopeValues.roles": "Input should be a valid array",
            },
        ),
        (
            {**PLACE, "scopeValues": {"machines": ["Machines-1", "Machines-1"]}},
            {"scopeValues.machines": "lists Machines-1 more than once"},
        ),
    ],
)
async def test_unknown_and_mistyped_config_fields(
    octopus: Service, config: dict[str, Any], expected: dict[str, str]
) -> None:
    fields = await invalid_fields(octopus.add_sync(destination_config=struct(config)))
    assert fields.keys() == {f"{CONFIG}.{name}" for name in expected}
    for name, rule in expected.items():
        assert fields[f"{CONFIG}.{name}"].startswith(rule)


async def test_ids_that_octopus_does_not_have(octopus: Service) -> None:
    for field, value in (("spaceId", "Spaces-99999"), ("projectId", "Projects-99999")):
        config = struct({**PLACE, field: value})
        refusal = await not_kept(octopus, octopus.add_sync(destination_config=config))
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "DESTINATION_NOT_FOUND"
        assert refusal.fields.keys() == {f"{CONFIG}.{field}"}
        assert value in refusal.message
    scope = {"environments": ["Environments-1", "Environments-9"], "channels": ["Channels-9"]}
    config = struct({**PLACE, "scopeValues": scope})
    refusal = await not_kept(octopus, octopus.add_sync(destination_config=config))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "DESTINATION_CONFIG_INVALID"
    assert refusal.fields.keys() == {
        f"{CONFIG}.scopeValues.environments",
        f"{CONFIG}.scopeValues.channels",
    }
    assert "Environments-9" in refusal.fields[f"{CONFIG}.scopeValues.environments"]
    assert "Choose from: Environments-1" in refusal.fields[f"{CONFIG}.scopeValues.environments"]


async def test_two_keys_that_octopus_takes_for_one(octopus: Service) -> None:
    await octopus.put({"Password": "1", "PASSWORD": "2"})
    await octopus.add_sync(destination_config=struct(PLACE))
    (run,) = await octopus.quiet()
    assert run.state == pb.RUN_STATE_FAILED
    assert run.error_reason == reasons.ERROR_REASON_DUPLICATE_SECRETS
    assert "'PASSWORD' and 'Password'" in run.message


async def test_an_octopus_that_goes_away_between_the_proof_and_the_run(
    octopus: Service, sandbox: Sandbox
) -> None:
    await octopus.put({"K": "v"})
    await octopus.add_sync(destination_config=struct(PLACE), is_auto_sync_enabled=False)
    sandbox.fault("status", status=503, times=None)
    run = await octopus.trigger()
    assert (run.attempt, run.error_reason) == (5, reasons.ERROR_REASON_DESTINATION_UNAVAILABLE)
    assert "starting or in maintenance" in run.message
    assert [each.status_code for each in run.http_requests] == [503]
