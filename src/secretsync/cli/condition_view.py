"""Shows the condition of a sync, and what to type next."""

from secretsync.cli.names import short_name
from secretsync.cli.words import enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    RUN_STATE_AWAITING_APPROVAL,
    RUN_STATE_PENDING,
    RUN_STATE_RUNNING,
    SYNC_CONDITION_AWAITING_APPROVAL,
    SYNC_CONDITION_DISABLED,
    SYNC_CONDITION_REMOVED,
    SecretSync,
    SyncCondition,
)

# {sync}, {connection}, {destination} and {folder} are those of the sync, {run} is its run that has
# not ended. Words in capitals stand for what somebody has to choose.
COMMANDS = {
    "SecretSyncService.SyncSecrets": "secretsync sync run {sync}",
    "SecretSyncService.RemoveSecrets": "secretsync sync remove {sync}",
    "SecretSyncService.UpdateSecretSync": "secretsync sync update {sync} OPTIONS",
    "SecretSyncService.DeleteSecretSync": "secretsync sync delete {sync}",
    "SecretSyncService.PlanSecretSync": "secretsync sync plan {sync}",
    "SecretSyncService.GetSyncRun": "secretsync run get {sync}",
    "SecretSyncService.CancelSyncRun": "secretsync run cancel {sync}/{run}",
    "SecretSyncService.CleanUpSecretSync": "secretsync sync clean-up {sync}",
    "SecretSyncService.CheckDrift": "secretsync sync check-drift {sync}",
    "SecretSyncService.ListSyncKeys": "secretsync sync keys {sync}",
    "SecretSyncService.ListPauses": "secretsync pause list",
    "SecretSyncService.GetDestination": "secretsync destination get {destination}",
    "ConnectionService.UpdateConnection": "secretsync connection update {connection} OPTIONS",
    "ConnectionService.ValidateConnection": "secretsync connection validate {connection}",
    "ConnectionService.ListConnectionOptions": "secretsync connection options {connection}",
    "SecretService.SetSecrets": "secretsync secret set KEY {folder}",
    "SecretService.ListSecrets": "secretsync secret list {folder}",
    "SecretService.ListSecretImports": "secretsync secret-import list --environment {environment}",
}
_UPDATE = "SecretSyncService.UpdateSecretSync"
_ENABLE = "secretsync sync update {sync} --enabled"
_OFF = (SYNC_CONDITION_DISABLED, SYNC_CONDITION_REMOVED)
"""Conditions of a disabled sync in which an update is to enable it."""
_RUNS = ("SecretSyncService.SyncSecrets", "SecretSyncService.RemoveSecrets")
_APPROVE = "secretsync sync approve {sync}"
"""Shows the plan that waits, and runs what it is a plan of with its fingerprint."""
_NOT_ENDED = (RUN_STATE_RUNNING, RUN_STATE_PENDING, RUN_STATE_AWAITING_APPROVAL)
_RESUME = "SecretSyncService.ResumeSyncing"
_RESUME_COMMANDS = {"secretSyncs": "resume sync", "connections": "resume connection"}


def condition_text(sync: SecretSync) -> str:
    """Return the condition of a sync in one word."""
    return enum_text(SyncCondition.DESCRIPTOR, sync.condition, "SYNC_CONDITION_")


def condition_fields(sync: SecretSync) -> list[tuple[str, str]]:
    """Return the lines about the condition of a sync, a line for each thing to do next."""
    return [
        ("Condition", condition_text(sync)),
        ("Hint", sync.hint),
        *(("Next", words) for action in sync.next_actions for words in next_words(sync, action)),
    ]


def next_words(sync: SecretSync, action: str) -> list[str]:
    """Return what to type for a method of the API; one that a newer server names stays as it is."""
    if action == _RESUME:
        return [_resume_words(pause.name) for pause in sync.pauses]
    if sync.condition == SYNC_CONDITION_AWAITING_APPROVAL and action in _RUNS:
        action = _APPROVE
    if sync.condition in _OFF and action == _UPDATE:
        action = _ENABLE
    names = {
        "sync": short_name(sync.name),
        "connection": short_name(sync.connection),
        "destination": short_name(sync.destination),
        "environment": short_name(sync.source.environment),
        "folder": _folder_of(sync),
        "run": _run_of(sync),
    }
    return [COMMANDS.get(action, action).format(**names)]


def _folder_of(sync: SecretSync) -> str:
    """Return the options for the folder that the secrets come from."""
    path = sync.source.secret_path
    options = f"--environment {short_name(sync.source.environment)}"
    return f"{options} --path {path}" if path not in {"", "/"} else options


def _run_of(sync: SecretSync) -> str:
    """Return the id of the run that has not ended, the nearest to its end if there are more."""
    blocks = (sync.sync_status, sync.import_status, sync.remove_status)
    runs = {block.state: short_name(block.last_run) for block in blocks if block.last_run}
    return next((runs[state] for state in _NOT_ENDED if state in runs), "RUN")


def _resume_words(paused: str) -> str:
    kind, _, slug = paused.rpartition("/")
    command = _RESUME_COMMANDS.get(short_name(kind))
    return f"secretsync {command} {slug}" if command else "secretsync resume all"
