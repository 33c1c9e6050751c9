"""What Octopus says of a failure reaches the run, whatever form it says it in."""

import json

import pytest
from service_kit import Service, struct

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

PLACE = {"spaceId": "Spaces-1", "projectId": "Projects-2"}
EVERYTHING = {
    "ErrorMessage": "There was a problem with your request.",
    "Errors": ["Name is too long.", "Name is taken."],
    "HelpText": "Choose a shorter name.",
    "HelpLink": "https://oc.to/names",
    "Details": {"Variables": ["Variable validation failed."]},
    "FullException": "at Octopus.Server.Web.Api",
}
DENIED = "You do not have permission to perform this action. Missing permission: VariableEdit"
EXPIRED = "The API key you provided was not valid. Please double-check your API key and try again."


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("status", "body", "reason", "said"),
    [
        (
            400,
            EVERYTHING,
            reasons.ERROR_REASON_DESTINATION_CONFIG_INVALID,
            (
                "There was a problem with your request. Name is too long. Name is taken. Choose a"
                " shorter name. Variable validation failed. See https://oc.to/names"
            ),
        ),
        (
            500,
            {"ErrorMessage": DENIED},
            reasons.ERROR_REASON_DESTINATION_PERMISSION_DENIED,
            "Missing permission: VariableEdit",
        ),
        (
            400,
            {"ErrorMessage": EXPIRED},
            reasons.ERROR_REASON_AUTHENTICATION_FAILED,
            "The API key you provided was not valid.",
        ),
        (
            404,
            {"ErrorMessage": "The resource 'Projects-2' was not found."},
            reasons.ERROR_REASON_DESTINATION_NOT_FOUND,
            "There is no project Projects-2",
        ),
        (
            422,
            {"ErrorMessage": "Unknown error"},
            reasons.ERROR_REASON_DESTINATION_CONFIG_INVALID,
            "no explanation was given",
        ),
    ],
)
async def test_the_run_says_what_octopus_says_and_is_not_tried_again(
    octopus: Service,
    sandbox: Sandbox,
    *,
    method: str,
    status: int,
    body: dict[str, object],
    reason: int,
    said: str,
) -> None:
    await octopus.put({"A": "value"})
    await octopus.add_sync(destination_config=struct(PLACE), is_auto_sync_enabled=False)
    text = json.dumps(body)
    sandbox.fault(
        "status", method=method, path="/variables$", status=status, body="given", text=text
    )
    run = await octopus.trigger()
    assert (run.state, run.error_reason, run.attempt) == (pb.RUN_STATE_FAILED, reason, 1)
    assert said in run.message
    assert "nknown error" not in run.message
    assert "Octopus.Server" not in run.message
