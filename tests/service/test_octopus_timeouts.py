"""The time limits of single requests are the settings', and end a request to a slow Octopus."""

from pathlib import Path

import pytest
from service_kit import running, struct

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox


@pytest.mark.parametrize("fault", [{"kind": "delay"}, {"kind": "slow_body", "pieces": 2}])
async def test_an_answer_that_does_not_come_in_time(
    tmp_path: Path, sandbox: Sandbox, fault: dict[str, str]
) -> None:
    settings = {"http_read_timeout": 1.0, "retry_attempts": 1}
    async with running(tmp_path / "data", **settings) as octopus:
        await octopus.add_project()
        await octopus.connect(
            destination="octopus-deploy",
            method="api-key",
            credentials={"instanceUrl": sandbox.base_url, "apiKey": sandbox.api_key},
        )
        await octopus.put({"A": "value"})
        place = struct({"spaceId": "Spaces-1", "projectId": "Projects-2"})
        await octopus.add_sync(destination_config=place, is_auto_sync_enabled=False)
        sandbox.fault(**fault, path="/variables$", method="GET", seconds=20.0)
        run = await octopus.trigger()
        assert run.state == pb.RUN_STATE_FAILED
        assert run.error_reason == reasons.ERROR_REASON_DESTINATION_UNAVAILABLE
        assert "it did not answer in time" in run.message
        assert (await octopus.trigger()).state == pb.RUN_STATE_SUCCEEDED
