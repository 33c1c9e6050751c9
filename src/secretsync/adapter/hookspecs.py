"""The hooks that a destination plugin implements."""

import pluggy

from secretsync.adapter.models import DestinationInfo
from secretsync.adapter.requests import (
    DiscoverRequest,
    PlanRequest,
    RemoveRequest,
    SyncRequest,
    ValidateRequest,
)
from secretsync.adapter.results import DiscoverResult, PlanResult, RunResult, ValidateResult

PROJECT_NAME = "secretsync"
"""pluggy's project name, and the entry-point group that plugins are found in."""

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


# The registry calls each hook on exactly one plugin, which is why hooks may be coroutines.


@hookspec(firstresult=True)
def destination() -> DestinationInfo:  # type: ignore[empty-body]
    """Describe the destination; called once, when the plugin is registered."""


@hookspec(firstresult=True)
async def validate(request: ValidateRequest) -> ValidateResult:  # type: ignore[empty-body]
    """Prove that credentials and config work, with the permissions a sync needs; mutate nothing."""


@hookspec(firstresult=True)
async def sync(request: SyncRequest) -> RunResult:  # type: ignore[empty-body]
    """Make the destination hold the desired secrets; return a result per key and the new ledger."""


@hookspec(firstresult=True)
async def remove(request: RemoveRequest) -> RunResult:  # type: ignore[empty-body]
    """Take away exactly what the ledger says this sync put there."""


@hookspec(firstresult=True)
async def plan(request: PlanRequest) -> PlanResult:  # type: ignore[empty-body]
    """Say what a run would do if it began now; mutate nothing (capability `plan`)."""


@hookspec(firstresult=True)
async def discover(request: DiscoverRequest) -> DiscoverResult:  # type: ignore[empty-body]
    """List choices for a configuration field, a page at a time (capability `discover`)."""
