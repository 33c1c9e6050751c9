"""Ctrl-C ends a command at once, whatever its call was about to do."""

import pytest

from secretsync.cli.client import Client
from secretsync.cli.framework import State


class Channel:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Channel:
    made = Channel()
    monkeypatch.setattr("grpc.insecure_channel", lambda *_, **__: made)
    return made


def test_the_channel_is_closed_at_the_end(channel: Channel) -> None:
    with Client(State()):
        pass
    assert channel.closed == 1


def test_nor_does_an_error_leave_it_open(channel: Channel) -> None:
    with pytest.raises(ValueError, match="wrong"), Client(State()):
        raise ValueError("wrong")
    assert channel.closed == 1


def test_ctrl_c_does_not_wait_for_calls(channel: Channel) -> None:
    with pytest.raises(KeyboardInterrupt), Client(State()):
        raise KeyboardInterrupt
    assert channel.closed == 0
