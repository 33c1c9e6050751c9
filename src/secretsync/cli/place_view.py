"""Shows the places that a sync was led away from and that are not clean yet."""

from collections.abc import Sequence

from secretsync.cli.assignments import from_struct
from secretsync.cli.names import short_name
from secretsync.cli.output import print_table, say
from secretsync.cli.words import time_and_age, value_text
from secretsync.v1.secret_sync_service_pb2 import FormerPlace


def show_former_places(places: Sequence[FormerPlace]) -> None:
    """Print former places for people; nothing if there are none."""
    if not places:
        return
    say("")
    print_table(
        ["FORMER PLACE", "WHERE", "STILL THERE", "LEFT", "NEXT ATTEMPT", "WHY"],
        (
            [
                short_place_name(place.name),
                _where(place),
                _what(place),
                time_and_age(place.leave_time),
                time_and_age(place.next_attempt_time),
                place.message or "-",
            ]
            for place in places
        ),
    )


def short_place_name(name: str) -> str:
    """Return `SYNC/PLACE` of a former place's resource name."""
    sync, _, place = name.partition("/formerPlaces/")
    return f"{short_name(sync)}/{place}"


def _where(place: FormerPlace) -> str:
    config = ", ".join(
        f"{name}={value_text(value)}"
        for name, value in sorted(from_struct(place.destination_config).items())
    )
    return f"{short_name(place.destination)} via {short_name(place.connection)} ({config})"


def _what(place: FormerPlace) -> str:
    more = place.name_count - len(place.destination_names)
    names = ", ".join(place.destination_names)
    return f"{names} and {more} more" if more > 0 else names
