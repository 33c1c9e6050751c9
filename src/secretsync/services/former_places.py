"""Former places as the API shows them."""

from collections.abc import Sequence

from secretsync.domain.entities import SecretSync
from secretsync.operations.former_places import PlaceStatus
from secretsync.services.runs import reason_number
from secretsync.services.translate import struct, timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb


def former_place_messages(sync: SecretSync, places: Sequence[PlaceStatus]) -> list[pb.FormerPlace]:
    """Return the former places of a sync."""
    return [_message(sync, status) for status in places]


def _message(sync: SecretSync, status: PlaceStatus) -> pb.FormerPlace:
    place = status.place
    return pb.FormerPlace(
        name=f"{sync.name}/formerPlaces/{place.uid}",
        destination=f"destinations/{place.destination}",
        connection=f"projects/{sync.project}/connections/{place.connection}",
        destination_config=struct(place.destination_config),
        leave_time=timestamp(place.leave_time),
        name_count=status.count,
        destination_names=status.names,
        last_run=status.last_run.name if status.last_run else "",
        message=status.message,
        error_reason=reason_number(status.error_reason),
        next_attempt_time=timestamp(status.next_attempt_time),
    )
