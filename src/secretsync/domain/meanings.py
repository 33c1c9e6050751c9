"""The conditions of syncs, and which of them each reason of a run means."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from secretsync.domain.problems import Reason


class Condition(StrEnum):
    """The conditions of a sync; `SyncCondition` in the API says what each means."""

    SYNCED = "SYNCED"
    NEVER_SYNCED = "NEVER_SYNCED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PARTIALLY_SYNCED = "PARTIALLY_SYNCED"
    DRIFTED = "DRIFTED"
    BLOCKED = "BLOCKED"
    REMOVED = "REMOVED"
    CANCELLED = "CANCELLED"
    DISABLED = "DISABLED"
    PAUSED = "PAUSED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    GUARD_TRIPPED = "GUARD_TRIPPED"
    AUTH_FAILED = "AUTH_FAILED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    INVALID = "INVALID"
    SOURCE_NOT_FOUND = "SOURCE_NOT_FOUND"
    SOURCE_INVALID = "SOURCE_INVALID"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the failure of a run for one reason means.

    Attributes:
        condition: the condition of its sync.
        what: what is the matter.
        mend: what to do about it, before the run is asked for again.
        actions: the calls for that.
    """

    condition: Condition
    what: str
    mend: str
    actions: tuple[str, ...] = ()


SYNC = "SecretSyncService.SyncSecrets"
REMOVE = "SecretSyncService.RemoveSecrets"
CLEAN_UP = "SecretSyncService.CleanUpSecretSync"
UPDATE = "SecretSyncService.UpdateSecretSync"
DELETE = "SecretSyncService.DeleteSecretSync"
PLAN = "SecretSyncService.PlanSecretSync"
GET_RUN = "SecretSyncService.GetSyncRun"
CANCEL_RUN = "SecretSyncService.CancelSyncRun"
CHECK = "SecretSyncService.CheckDrift"
LIST_KEYS = "SecretSyncService.ListSyncKeys"
RESUME = "SecretSyncService.ResumeSyncing"
LIST_PAUSES = "SecretSyncService.ListPauses"
GET_DESTINATION = "SecretSyncService.GetDestination"
UPDATE_CONNECTION = "ConnectionService.UpdateConnection"
VALIDATE_CONNECTION = "ConnectionService.ValidateConnection"
LIST_OPTIONS = "ConnectionService.ListConnectionOptions"
SET_SECRETS = "SecretService.SetSecrets"
LIST_SECRETS = "SecretService.ListSecrets"
LIST_IMPORTS = "SecretService.ListSecretImports"

MEANINGS: Mapping[Reason, Meaning] = {
    Reason.AUTHENTICATION_FAILED: Meaning(
        Condition.AUTH_FAILED,
        "the destination refuses the credentials of {connection}",
        "give it new ones",
        (UPDATE_CONNECTION, VALIDATE_CONNECTION),
    ),
    Reason.DESTINATION_PERMISSION_DENIED: Meaning(
        Condition.PERMISSION_DENIED,
        "the credentials of {connection} lack a permission at the destination",
        "grant what the run names",
        (GET_RUN, VALIDATE_CONNECTION),
    ),
    Reason.RATE_LIMITED: Meaning(
        Condition.RATE_LIMITED,
        "the destination asks for fewer requests",
        "wait a while",
    ),
    Reason.DESTINATION_UNAVAILABLE: Meaning(
        Condition.UNAVAILABLE,
        "the destination of {connection} cannot be reached, or is out of order",
        "see that it works",
        (VALIDATE_CONNECTION,),
    ),
    Reason.DESTINATION_NOT_LOADED: Meaning(
        Condition.UNAVAILABLE,
        "the plugin of destinations/{destination} is not loaded",
        "mend or install it, and restart the server",
        (GET_DESTINATION,),
    ),
    Reason.DESTINATION_CONFLICT: Meaning(
        Condition.CONFLICT,
        "somebody else keeps changing the same document at the destination",
        "find out who",
        (GET_RUN,),
    ),
    Reason.DESTINATION_NOT_FOUND: Meaning(
        Condition.NOT_FOUND,
        "something that the configuration names is not at the destination, or is hidden from the"
        " credentials of {connection}",
        "correct the configuration",
        (LIST_OPTIONS, UPDATE),
    ),
    Reason.DESTINATION_CONFIG_INVALID: Meaning(
        Condition.INVALID,
        "the configuration or a secret breaks a rule of the destination",
        "correct what the run names",
        (GET_RUN, UPDATE),
    ),
    Reason.INVALID_FIELDS: Meaning(
        Condition.INVALID,
        "the installed plugin does not accept the stored configuration or credentials any more",
        "enter anew what the run names",
        (GET_RUN, UPDATE, UPDATE_CONNECTION),
    ),
    Reason.UNSUPPORTED: Meaning(
        Condition.INVALID,
        "the destination cannot do what the options ask for",
        "change them",
        (UPDATE,),
    ),
    Reason.SOURCE_NOT_FOUND: Meaning(
        Condition.SOURCE_NOT_FOUND,
        "a folder that the secrets come from does not exist any more",
        "write a secret there, or choose another source",
        (SET_SECRETS, UPDATE),
    ),
    Reason.SOURCE_UNRESOLVED: Meaning(
        Condition.SOURCE_INVALID,
        "a secret of the source cannot be decrypted",
        "set it again",
        (GET_RUN, SET_SECRETS),
    ),
    Reason.DUPLICATE_SECRETS: Meaning(
        Condition.SOURCE_INVALID,
        "two secrets of the source would get one name at the destination",
        "rename or delete one of them",
        (GET_RUN, LIST_SECRETS),
    ),
    Reason.IMPORT_CYCLE: Meaning(
        Condition.SOURCE_INVALID,
        "the secret imports of the source go in a circle",
        "delete one of them",
        (GET_RUN, LIST_IMPORTS),
    ),
    Reason.KEYS_FAILED: Meaning(
        Condition.PARTIALLY_SYNCED,
        "the destination refused single keys",
        "see why",
        (LIST_KEYS,),
    ),
    Reason.REMOVAL_FAILED: Meaning(
        Condition.BLOCKED,
        "not all secrets could be removed, so the sync was not deleted",
        "let the credentials of {connection} see what the run names",
        (GET_RUN,),
    ),
    Reason.CLEAN_UP_FAILED: Meaning(
        Condition.BLOCKED,
        "not all secrets could be removed from a former place",
        "let the credentials of {connection} see what the run names",
        (GET_RUN, CLEAN_UP),
    ),
    Reason.GUARD_TRIPPED: Meaning(
        Condition.GUARD_TRIPPED,
        "a guard stopped the last run, since it would have deleted too much",
        "mend the source, or override the guards for one run if it is meant",
        (GET_RUN,),
    ),
    Reason.PLAN_OUTDATED: Meaning(
        Condition.CANCELLED,
        "the plan that was approved is out of date, so the last run changed nothing",
        "plan anew",
        (PLAN,),
    ),
    Reason.CANCELLED: Meaning(
        Condition.CANCELLED,
        "the last run was cancelled, so it may have done a part of its work or nothing",
        "decide whether it is still wanted",
    ),
    Reason.SYNC_DISABLED: Meaning(
        Condition.CANCELLED,
        "the sync was disabled before its last run had ended",
        "decide whether it is still wanted",
    ),
    Reason.SUPERSEDED: Meaning(
        Condition.CANCELLED,
        "the settings of the sync were changed while its last run was under way",
        "see that they are as they should be",
    ),
    Reason.STORAGE_FULL: Meaning(
        Condition.ERROR,
        "the disk of the server's data directory is full",
        "make room",
    ),
    Reason.INTERNAL: Meaning(
        Condition.ERROR,
        "the last run met an error that nobody expected",
        "look for its correlation id in the server's log",
        (GET_RUN,),
    ),
}
"""What each reason means that a run fails with, or waits for another attempt with."""

UNKNOWN = MEANINGS[Reason.INTERNAL]
"""What a reason means that no run should fail with."""
