"""What `secretsync sync get` tells people to type next."""

import click
import pytest

from secretsync.cli.condition_view import COMMANDS, next_words
from secretsync.cli.main import cli
from secretsync.domain import meanings
from secretsync.v1.pause_pb2 import Pause
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_AWAITING_APPROVAL,
    RUN_STATE_RUNNING,
    RUN_STATE_SUCCEEDED,
    SYNC_CONDITION_AWAITING_APPROVAL,
    SYNC_CONDITION_DISABLED,
    RunState,
    RunStatus,
    SecretSource,
    SecretSync,
)

SYNC = SecretSync(
    name="projects/shop/secretSyncs/web",
    connection="projects/shop/connections/octopus",
    destination="destinations/octopus-deploy",
    source=SecretSource(environment="projects/shop/environments/dev"),
    pauses=[
        Pause(name="projects/shop/secretSyncs/web"),
        Pause(name="projects/shop/connections/octopus"),
        Pause(name="-"),
    ],
)
ACTIONS = sorted(
    value
    for value in vars(meanings).values()
    if isinstance(value, str) and "Service." in value and " " not in value
)


@pytest.mark.parametrize("action", ACTIONS)
def test_each_next_action_has_a_command_that_exists(action: str) -> None:
    for words in next_words(SYNC, action):
        program, *rest = words.split()
        assert program == "secretsync"
        command: click.Command = cli
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), rest.pop(0))
            assert found is not None, words
            command = found
        options = {name for param in command.params for name in param.opts}
        assert {word for word in rest if word.startswith("-")} <= options


def test_the_names_are_those_of_the_sync() -> None:
    assert next_words(SYNC, meanings.SYNC) == ["secretsync sync run web"]
    assert next_words(SYNC, meanings.VALIDATE_CONNECTION) == [
        "secretsync connection validate octopus"
    ]
    assert next_words(SYNC, meanings.RESUME) == [
        "secretsync resume sync web",
        "secretsync resume connection octopus",
        "secretsync resume all",
    ]
    waits = SecretSync(name=SYNC.name, condition=SYNC_CONDITION_AWAITING_APPROVAL)
    for action in (meanings.SYNC, meanings.REMOVE):
        assert next_words(waits, action) == ["secretsync sync approve web"]
    assert next_words(SYNC, "NewService.NewMethod") == ["NewService.NewMethod"]


def test_what_has_to_be_chosen_is_left_open_and_nothing_else() -> None:
    assert next_words(SYNC, meanings.UPDATE) == ["secretsync sync update web OPTIONS"]
    disabled = SecretSync(name=SYNC.name, condition=SYNC_CONDITION_DISABLED)
    assert next_words(disabled, meanings.UPDATE) == ["secretsync sync update web --enabled"]
    assert next_words(SYNC, meanings.SET_SECRETS) == ["secretsync secret set KEY --environment dev"]
    deep = SecretSync(name=SYNC.name, source=SYNC.source)
    deep.source.secret_path = "/api/keys"
    assert next_words(deep, meanings.SET_SECRETS) == [
        "secretsync secret set KEY --environment dev --path /api/keys"
    ]


def test_the_run_to_cancel_is_the_one_that_has_not_ended() -> None:
    def status(run: str, state: RunState.ValueType) -> RunStatus:
        return RunStatus(state=state, last_run=f"{SYNC.name}/runs/{run}")

    def words(
        sync: str, removal: str, states: tuple[RunState.ValueType, RunState.ValueType]
    ) -> str:
        told = SecretSync(name=SYNC.name)
        told.sync_status.CopyFrom(status(sync, states[0]))
        told.remove_status.CopyFrom(status(removal, states[1]))
        return next_words(told, meanings.CANCEL_RUN)[0]

    cancel = "secretsync run cancel web/"
    assert words("s", "r", (RUN_STATE_SUCCEEDED, RUN_STATE_RUNNING)) == f"{cancel}r"
    assert words("s", "r", (RUN_STATE_AWAITING_APPROVAL, RUN_STATE_SUCCEEDED)) == f"{cancel}s"
    assert words("s", "r", (RUN_STATE_SUCCEEDED, RUN_STATE_SUCCEEDED)) == f"{cancel}RUN"


def test_no_command_is_for_nothing() -> None:
    assert set(COMMANDS) <= set(ACTIONS)
