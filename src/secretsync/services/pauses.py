"""Pauses as the API shows them."""

from collections.abc import Iterable

from secretsync.domain.pauses import Pause
from secretsync.services.translate import timestamp
from secretsync.v1 import pause_pb2 as pb


def pause_message(pause: Pause) -> pb.Pause:
    """Return a pause as the API shows it."""
    return pb.Pause(name=pause.name, reason=pause.reason, create_time=timestamp(pause.create_time))


def pause_messages(pauses: Iterable[Pause]) -> list[pb.Pause]:
    """Return pauses as the API shows them."""
    return [pause_message(pause) for pause in pauses]
