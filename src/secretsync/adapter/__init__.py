"""What the author of a destination adapter imports: hooks, requests, results, errors, secrets."""

from secretsync.adapter.errors import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unavailable,
    Unsupported,
)
from secretsync.adapter.hookspecs import PROJECT_NAME, hookimpl, hookspec
from secretsync.adapter.http_headers import retry_after
from secretsync.adapter.ledger import LedgerEntry
from secretsync.adapter.models import (
    API_VERSION,
    AdapterModel,
    Capability,
    DestinationInfo,
    OptionList,
)
from secretsync.adapter.requests import (
    AdapterRequest,
    DesiredSecret,
    DiscoverRequest,
    PlanRequest,
    RecordIntent,
    RemoveRequest,
    RunRequest,
    SyncRequest,
    ValidateRequest,
)
from secretsync.adapter.results import (
    Action,
    ChangeKind,
    DiscoverResult,
    KeyResult,
    Option,
    PlannedChange,
    PlanResult,
    RunResult,
    ValidateResult,
)
from secretsync.adapter.secret_value import SecretValue

__all__ = [
    "API_VERSION",
    "PROJECT_NAME",
    "Action",
    "AdapterError",
    "AdapterModel",
    "AdapterRequest",
    "AuthenticationFailed",
    "Capability",
    "ChangeKind",
    "Conflict",
    "DesiredSecret",
    "DestinationInfo",
    "DiscoverRequest",
    "DiscoverResult",
    "InvalidConfig",
    "KeyResult",
    "LedgerEntry",
    "NotFound",
    "Option",
    "OptionList",
    "PermissionDenied",
    "PlanRequest",
    "PlanResult",
    "PlannedChange",
    "RateLimited",
    "RecordIntent",
    "RemoveRequest",
    "RunRequest",
    "RunResult",
    "SecretValue",
    "SyncRequest",
    "Unavailable",
    "Unsupported",
    "ValidateRequest",
    "ValidateResult",
    "hookimpl",
    "hookspec",
    "retry_after",
]
