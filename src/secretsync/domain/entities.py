"""What secretsync keeps, as plain immutable records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from secretsync.adapter import Action, KeyResult
from secretsync.domain.attempts import RunAttempt
from secretsync.domain.drift import DEFAULT_INTERVAL, DriftPolicy
from secretsync.domain.guards import MaxDeletions
from secretsync.domain.key_states import KeyState
from secretsync.domain.plans import SyncPlan
from secretsync.domain.problems import Reason
from secretsync.domain.schedules import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project. Times are UTC; `version` counts from 1 with each change."""

    uid: str
    slug: str
    display_name: str = ""
    description: str = ""
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"projects/{self.slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment; `project` is the slug of its project."""

    uid: str
    project_uid: str
    project: str
    slug: str
    display_name: str = ""
    description: str = ""
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"projects/{self.project}/environments/{self.slug}"


@dataclass(frozen=True, slots=True)
class FolderRef:
    """A folder: an environment's uid and a path."""

    environment_uid: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret as stored: `sealed_value` is its encrypted value."""

    uid: str
    environment_uid: str
    path: str
    key: str
    sealed_value: bytes
    comment: str = ""
    version: int = 1
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretImport:
    """An import of one folder into another; environments are given by uid and slug."""

    uid: str
    project: str
    environment_uid: str
    environment: str
    path: str
    import_environment_uid: str
    import_environment: str
    import_path: str
    position: int
    create_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"projects/{self.project}/environments/{self.environment}/secretImports/{self.uid}"

    @property
    def folder(self) -> FolderRef:
        """The folder that imports."""
        return FolderRef(self.environment_uid, self.path)

    @property
    def imported(self) -> FolderRef:
        """The folder that is imported."""
        return FolderRef(self.import_environment_uid, self.import_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as stored: `sealed_credentials` is the encrypted JSON of its credentials.

    `instance` is what the adapter calls the instance that they lead to.
    """

    uid: str
    project_uid: str
    project: str
    slug: str
    description: str = ""
    destination: str
    method: str
    instance: str
    sealed_credentials: bytes
    public_credentials: Mapping[str, Any]
    credentials_hash: str
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"projects/{self.project}/connections/{self.slug}"


class InitialSyncBehavior(StrEnum):
    """What the first run does about what the destination holds already."""

    OVERWRITE_DESTINATION = "overwrite-destination"
    IMPORT_PRIORITIZE_SOURCE = "import-prioritize-source"
    IMPORT_PRIORITIZE_DESTINATION = "import-prioritize-destination"


class OverlapPolicy(StrEnum):
    """What saving a sync does about other syncs that write the same."""

    WARN = "warn"
    REFUSE = "refuse"
    REFUSE_ANY = "refuse-any"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """How secrets are synced.

    An empty key schema means that the name is the key. `max_deletions` is what one sync run may
    delete. With `require_approval` no run writes what nobody has approved. `drift_interval` is the
    seconds from one look for drift to the next.
    """

    initial_sync_behavior: InitialSyncBehavior = InitialSyncBehavior.OVERWRITE_DESTINATION
    key_schema: str = ""
    disable_secret_deletion: bool = False
    overlap_policy: OverlapPolicy = OverlapPolicy.WARN
    max_deletions: MaxDeletions = field(default_factory=MaxDeletions)
    require_approval: bool = False
    drift_policy: DriftPolicy = DriftPolicy.OFF
    drift_interval: float = DEFAULT_INTERVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSync:
    """A secret sync.

    `target_key` names the document that it writes to; `initialized` tells whether a run has
    succeeded since the sync began to write there, and `was_here` whether one had before the sync
    was led elsewhere and back. `next_run_time` is when its schedule is due, None if it has none or
    is disabled, and `next_check_time` when drift is looked for; `clock_time` is
    when these were set, by the clock of that time.
    `key_counts` tells how many keys are in each state, and `drift_time` since when some have been
    DRIFTED; neither is changed with the sync, but with its keys.
    """

    uid: str
    project_uid: str
    project: str
    slug: str
    description: str = ""
    destination: str
    connection_uid: str
    connection: str
    environment_uid: str
    environment: str
    secret_path: str = "/"  # noqa: S105  the path of a folder
    recursive: bool = False
    destination_config: Mapping[str, Any]
    options: SyncOptions = field(default_factory=SyncOptions)
    is_enabled: bool = True
    is_auto_sync_enabled: bool = True
    schedule: Schedule | None = None
    next_run_time: datetime | None = None
    next_check_time: datetime | None = None
    clock_time: datetime | None = None
    target_key: str
    initialized: bool = False
    was_here: bool = False
    key_counts: Mapping[KeyState, int] = field(default_factory=dict)
    drift_time: datetime | None = None
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"projects/{self.project}/secretSyncs/{self.slug}"

    @property
    def source(self) -> FolderRef:
        """The folder that the secrets come from."""
        return FolderRef(self.environment_uid, self.secret_path)


class RunAction(StrEnum):
    """What a run does."""

    SYNC = "sync"
    REMOVE = "remove"
    CLEAN_UP = "clean-up"
    """Takes away what the sync put at a former place."""
    CHECK = "check"


class RunTrigger(StrEnum):
    """Why a run was queued."""

    MANUAL = "manual"
    CREATE = "create"
    UPDATE = "update"
    SOURCE_CHANGE = "source-change"
    RETRY = "retry"
    SCHEDULE = "schedule"
    DRIFT = "drift"


class RunState(StrEnum):
    """How far a run has come."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIALLY_SUCCEEDED = "partially-succeeded"
    AWAITING_APPROVAL = "awaiting-approval"


ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.PARTIALLY_SUCCEEDED})
"""The states that a run does not leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request of a run; status 0 means that no response came.

    Seconds are wall time from the sending on, without the wait for the connection's turn before it.
    """

    method: str
    path: str
    status_code: int
    seconds: float
    request_bytes: int
    response_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run did at the destination; `counts` has every action of `Action`."""

    keys: tuple[KeyResult, ...] = ()
    counts: Mapping[Action, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    http_requests: tuple[HttpRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """One execution of a secret sync.

    `seq` orders runs by creation (0 until stored). `lease_token` grows with each claim: whoever
    holds an older one is fenced off. `delete_sync` asks for the sync to be deleted after success.
    `cancel_requested` of a RUNNING run asks its attempt to stop. The counts of HTTP requests and
    bytes are those of all attempts. `attempts` is empty in lists. `requester` is who has
    declared to ask for it, or for the change that caused it. `retries` counts the runs
    before it that gave up, one after another.

    Attributes:
        override_guards: let it do what a guard would stop.
        approved_fingerprint: of the plan that it must keep to; empty for none.
        approver: who has declared to approve that plan.
        follow_up: of a run that must keep to a plan, of a removal, and of a clean-up that precedes
            the deletion of its sync: the trigger of a run that it took the place of, or the first
            one that came meanwhile. A sync run with that trigger may still be due when it has
            ended; see `due_after`.
        may_have_written: whether an attempt of it that came to no result may have written.
        plan: what it was about to do when it was stopped: by a guard, for approval, or because it
            is not what was approved.
        place_uid: the former place that a CLEAN_UP is about; empty of all others, which are about
            where the sync leads to.
    """

    uid: str
    seq: int = 0
    sync_uid: str
    sync_name: str
    action: RunAction
    trigger: RunTrigger
    state: RunState = RunState.PENDING
    message: str = ""
    error_reason: Reason | None = None
    attempt: int = 0
    create_time: datetime
    not_before: datetime
    start_time: datetime | None = None
    finish_time: datetime | None = None
    lease_token: int = 0
    lease_until: datetime | None = None
    delete_sync: bool = False
    cancel_requested: bool = False
    override_guards: bool = False
    approved_fingerprint: str = ""
    approver: str = ""
    follow_up: RunTrigger | None = None
    may_have_written: bool = False
    plan: SyncPlan | None = None
    outcome: RunOutcome = field(default_factory=RunOutcome)
    http_request_count: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    requester: str = ""
    retries: int = 0
    attempts: tuple[RunAttempt, ...] = ()
    place_uid: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return f"{self.sync_name}/runs/{self.uid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs of a sync a list shows: those that match all of it.

    Attributes:
        states: one of these; empty for any.
        triggers: one of these; empty for any.
        actions: one of these; empty for any.
        created_from: created then or later.
        created_before: created before.
    """

    states: frozenset[RunState] = frozenset()
    triggers: frozenset[RunTrigger] = frozenset()
    actions: frozenset[RunAction] = frozenset()
    created_from: datetime | None = None
    created_before: datetime | None = None
