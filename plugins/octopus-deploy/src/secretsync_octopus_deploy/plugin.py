"""The hooks of secretsync for Octopus Deploy."""

from secretsync.adapter import (
    Capability,
    DestinationInfo,
    DiscoverRequest,
    DiscoverResult,
    PlanRequest,
    PlanResult,
    RemoveRequest,
    RunResult,
    SyncRequest,
    ValidateRequest,
    ValidateResult,
    hookimpl,
)
from secretsync_octopus_deploy.config import OctopusConfig, target_key
from secretsync_octopus_deploy.credentials import ApiKeyCredentials, OidcCredentials
from secretsync_octopus_deploy.discovery import OPTION_LISTS, list_options
from secretsync_octopus_deploy.foresight import plan_run
from secretsync_octopus_deploy.rows import fold
from secretsync_octopus_deploy.runs import run_removal, run_sync
from secretsync_octopus_deploy.shared_scopes import identity, shared_scope
from secretsync_octopus_deploy.validation import validate_connection


@hookimpl
def destination() -> DestinationInfo:
    """Describe Octopus Deploy."""
    return DestinationInfo(
        name="octopus-deploy",
        title="Octopus Deploy",
        description="Sensitive variables of a project or library variable set in Octopus Deploy.",
        config_model=OctopusConfig,
        credential_models={"api-key": ApiKeyCredentials, "oidc": OidcCredentials},
        target_key=target_key,
        name_identity=fold,
        identity=identity,
        shared_scope=shared_scope,
        capabilities=frozenset({Capability.DISCOVER, Capability.PLAN}),
        option_lists=OPTION_LISTS,
    )


@hookimpl
async def validate(request: ValidateRequest) -> ValidateResult:
    """Prove that credentials and configuration work, with the permissions that a sync needs."""
    return await validate_connection(request)


@hookimpl
async def sync(request: SyncRequest) -> RunResult:
    """Make the variable set hold the desired secrets, and touch no other variable."""
    return await run_sync(request)


@hookimpl
async def remove(request: RemoveRequest) -> RunResult:
    """Delete the variables that the ledger lists and that still are this sync's."""
    return await run_removal(request)


@hookimpl
async def plan(request: PlanRequest) -> PlanResult:
    """Say what a sync or removal would do to the variable set; one GET, and nothing is written."""
    return await plan_run(request)


@hookimpl
async def discover(request: DiscoverRequest) -> DiscoverResult:
    """List spaces, projects, library variable sets and what variables can be scoped to."""
    return await list_options(request)
