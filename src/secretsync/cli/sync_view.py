"""Shows a secret sync, and what became of the run that a change of it queued."""

from secretsync.cli.assignments import from_struct
from secretsync.cli.client import Client
from secretsync.cli.condition_view import condition_fields
from secretsync.cli.drift_view import drift_text, policy_text
from secretsync.cli.limits import limit_text
from secretsync.cli.lookups import get_sync
from secretsync.cli.names import short_name
from secretsync.cli.output import note, print_fields, print_json, print_message, say, to_dict
from secretsync.cli.overlap_view import policy_word
from secretsync.cli.pause_view import check_not_paused, pause_fields
from secretsync.cli.place_view import show_former_places
from secretsync.cli.run_view import fail_unless_succeeded, show_ended_run
from secretsync.cli.schedule_options import schedule_text
from secretsync.cli.sync_options import BEHAVIORS
from secretsync.cli.waiting import wait_for_run
from secretsync.cli.words import enum_text, time_and_age, value_text, yes_no
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    KeyStateCounts,
    RunState,
    RunStatus,
    SecretSync,
)


def place_of(sync: SecretSync) -> str:
    """Return in one line where a sync writes: destination, connection and configuration."""
    config = ", ".join(
        f"{name}={value_text(value)}"
        for name, value in sorted(from_struct(sync.destination_config).items())
    )
    return f"{short_name(sync.destination)} via {short_name(sync.connection)} ({config})"


def show_sync(sync: SecretSync) -> None:
    """Print a sync for people."""
    options = sync.sync_options
    behavior = next(
        (word for word, value in BEHAVIORS.items() if value == options.initial_sync_behavior),
        "overwrite-destination",
    )
    config = from_struct(sync.destination_config)
    print_fields(
        [
            ("Name", sync.name),
            ("Description", sync.description),
            *condition_fields(sync),
            ("Source", f"{short_name(sync.source.environment)}:{sync.source.secret_path}"),
            ("Recursive", yes_no(sync.source.recursive)),
            ("Destination", short_name(sync.destination)),
            ("Connection", short_name(sync.connection)),
            *((f"  {name}", value_text(value)) for name, value in sorted(config.items())),
            ("Key schema", options.key_schema),
            ("Initial sync", behavior),
            ("Deletes secrets", yes_no(not options.disable_secret_deletion)),
            ("Overlap policy", policy_word(options.overlap_policy)),
            ("Max deletions", limit_text(options.max_deletions)),
            ("Needs approval", yes_no(options.require_approval)),
            ("Enabled", yes_no(sync.is_enabled)),
            ("Auto-sync", yes_no(sync.is_auto_sync_enabled)),
            ("Schedule", schedule_text(sync.schedule)),
            ("Next run", time_and_age(sync.next_run_time)),
            ("Drift policy", policy_text(options)),
            ("Drift", drift_text(sync.drift, sync.sync_options.drift_policy)),
            ("Keys", key_counts_text(sync.key_state_counts)),
            *pause_fields(sync.pauses),
            ("Last sync", _status_text(sync.sync_status)),
            ("Last import", _status_text(sync.import_status)),
            ("Last removal", _status_text(sync.remove_status)),
            ("Version", str(sync.version)),
            ("Created", time_and_age(sync.create_time)),
            ("Changed", time_and_age(sync.update_time)),
            ("UID", sync.uid),
            ("ETag", sync.etag),
        ]
    )
    show_former_places(sync.former_places)


def key_counts_text(counts: KeyStateCounts) -> str:
    """Return for people how many keys are in each state: `5 synced, 1 drifted`."""
    told = ((field.name, getattr(counts, field.name)) for field in counts.DESCRIPTOR.fields)
    return ", ".join(f"{count} {state}" for state, count in told if count) or "none"


def wait_for_first_run(client: Client, sync: SecretSync, done: str, *, show_all: bool) -> None:
    """Wait for the run that creating or changing a sync queued, and show both.

    Args:
        client: says how to show them.
        sync: the sync as the server returned it.
        done: `Created` or `Updated`.
        show_all: list the unchanged keys too.

    Raises:
        CliError: the run failed, or did not end in time.
    """
    queued = sync.sync_status.state in {RUN_STATE_PENDING, RUN_STATE_RUNNING}
    if not client.state.json:
        say(f"{done} {sync.name}.")
    if not queued:
        note("No run was queued: the change needs none, the sync is disabled, or auto-sync is off.")
        if client.state.json:
            print_message(sync)
        return
    check_not_paused(sync.pauses, sync.sync_status.last_run)
    run = wait_for_run(client, sync.sync_status.last_run)
    if client.state.json:
        print_json({"secretSync": to_dict(get_sync(client, sync.name)), "syncRun": to_dict(run)})
        fail_unless_succeeded(run)
    else:
        show_ended_run(client, run, show_all=show_all)


def _status_text(status: RunStatus) -> str:
    state = enum_text(RunState.DESCRIPTOR, status.state, "RUN_STATE_")
    if not status.last_run:
        return state
    words = f"{state}, run {short_name(status.last_run)}"
    if status.HasField("finish_time"):
        words += f", {time_and_age(status.finish_time)}"
    return f"{words}: {status.message}" if status.message else words
