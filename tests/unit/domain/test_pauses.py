"""What a pause holds, and what is told of it."""

from datetime import UTC, datetime

import pytest

from secretsync.domain.entities import (
    Connection,
    SecretSync,
)
from secretsync.domain.pauses import (
    Pause,
    holding,
    names_holding,
    paused,
    waits_for,
)
from secretsync.domain.problems import Code, Reason

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SYNC = SecretSync(
    uid="y",
    project_uid="p",
    project="shop",
    slug="web",
    destination="octopus-deploy",
    connection_uid="c",
    connection="octopus",
    environment_uid="e",
    environment="dev",
    destination_config={},
    target_key="t",
    create_time=NOW,
    update_time=NOW,
)
CONNECTION = Connection(
    uid="c",
    project_uid="p",
    project="shop",
    slug="octopus",
    destination="octopus-deploy",
    method="api-key",
    instance="i",
    sealed_credentials=b"",
    public_credentials={},
    credentials_hash="",
    create_time=NOW,
    update_time=NOW,
)
OF_SYNC = Pause(name=SYNC.name, reason="bad values", create_time=NOW)
OF_CONNECTION = Pause(name=CONNECTION.name, create_time=NOW)
OF_ALL = Pause(name="-", reason="incident", create_time=NOW)
OTHER = Pause(name="projects/shop/connections/other", create_time=NOW)


@pytest.mark.parametrize(
    ("resource", "found", "expected"),
    [
        (SYNC, [OF_ALL, OTHER, OF_CONNECTION, OF_SYNC], (OF_SYNC, OF_CONNECTION, OF_ALL)),
        (SYNC, [OTHER], ()),
        (CONNECTION, [OF_ALL, OTHER, OF_CONNECTION, OF_SYNC], (OF_CONNECTION, OF_ALL)),
        (CONNECTION, [OF_SYNC], ()),
    ],
)
def test_what_holds_a_sync_and_a_connection(
    resource: SecretSync | Connection, found: list[Pause], expected: tuple[Pause, ...]
) -> None:
    assert holding(resource, {pause.name: pause for pause in found}) == expected
    assert {pause.name for pause in expected} <= set(names_holding(resource))


def test_what_is_told() -> None:
    assert waits_for([OF_CONNECTION]) == f"waits until {CONNECTION.name} is resumed"
    assert waits_for([OF_SYNC, OF_ALL]) == (
        f"waits until {SYNC.name} (bad values) and everything (incident) are resumed"
    )
    problem = paused(SYNC, [OF_SYNC, OF_ALL], "resume it first")
    assert (problem.code, problem.reason) == (Code.FAILED_PRECONDITION, Reason.PAUSED)
    assert problem.metadata == {"resource": SYNC.name, "pauses": f"{SYNC.name}, -"}
    assert problem.message == (
        f"{SYNC.name} is held, because {SYNC.name} (bad values) and everything (incident) are"
        " paused: resume it first"
    )
