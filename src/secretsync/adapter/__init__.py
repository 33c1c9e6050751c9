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
    RecordIntent,
    RemoveRequest,
    RunRequest,
    SyncRequest,
    ValidateRequest,
)
from secretsync.adapter.results import (
    Action,
    DiscoverResult,
    KeyResult,
    Option,
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
]
