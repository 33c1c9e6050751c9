"""Builds the JSON of projects and of what belongs to one, in the shapes of the REST API.

The field names come from the Octopus REST API reference and the official Go client.
"""

from collections.abc import Sequence

from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.resources import links_of, slug_of


def project(
    space_id: str,
    project_id: str,
    name: str,
    *,
    group_id: str,
    lifecycle_id: str,
    in_git: bool,
) -> JsonObject:
    """Return a project; `in_git` makes it one whose text variables live in a Git repository."""
    path, slug = f"/api/{space_id}/projects/{project_id}", slug_of(name)
    persistence: JsonObject = {"Type": "Database"}
    if in_git:
        persistence = {
            "Type": "VersionControlled",
            "Url": f"https://git.example.com/{slug}.git",
            "DefaultBranch": "main",
            "BasePath": ".octopus",
            "Credentials": {"Type": "Anonymous"},
            "ConversionState": {"VariablesAreInGit": True, "RunbooksAreInGit": False},
        }
    return {
        "Id": project_id,
        "SpaceId": space_id,
        "Name": name,
        "Slug": slug,
        "Description": "",
        "IsDisabled": False,
        "VariableSetId": f"variableset-{project_id}",
        "DeploymentProcessId": f"deploymentprocess-{project_id}",
        "ProjectGroupId": group_id,
        "LifecycleId": lifecycle_id,
        "IsVersionControlled": in_git,
        "PersistenceSettings": persistence,
        "IncludedLibraryVariableSetIds": [],
        "TenantedDeploymentMode": "Untenanted",
        "ProjectConnectivityPolicy": {
            "SkipMachineBehavior": "None",
            "TargetRoles": [],
            "AllowDeploymentsToNoTargets": False,
            "ExcludeUnhealthyTargets": False,
        },
        "VersioningStrategy": {"Template": "#{Octopus.Version.NextPatch}"},
        "ReleaseCreationStrategy": {"ChannelId": None, "ReleaseCreationPackage": None},
        "ReleaseNotesTemplate": None,
        "DeploymentChangesTemplate": None,
        "DefaultGuidedFailureMode": "EnvironmentDefault",
        "AutoCreateRelease": False,
        "DefaultToSkipIfAlreadyInstalled": False,
        "DiscreteChannelRelease": False,
        "AllowIgnoreChannelRules": True,
        "ClonedFromProjectId": None,
        "ExtensionSettings": [],
        "Templates": [],
        "AutoDeployReleaseOverrides": [],
        "Links": {
            "Self": path,
            "Variables": f"/api/{space_id}/variables/variableset-{project_id}",
            "Channels": f"{path}/channels{{/id}}{{?skip,take,partialName}}",
            "Runbooks": f"{path}/runbooks{{/id}}{{?skip,take,partialName}}",
            "Releases": f"{path}/releases{{/version}}{{?skip,take,searchByVersion}}",
            "Summary": f"{path}/summary",
            "DeploymentProcess": f"{path}/deploymentprocesses",
            "Web": f"/app#/{space_id}/projects/{slug}",
        },
    }


def channel(
    space_id: str, identifier: str, name: str, project_id: str, *, is_default: bool
) -> JsonObject:
    """Return a channel of a project."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "ProjectId": project_id,
        "Name": name,
        "Slug": slug_of(name),
        "Description": None,
        "IsDefault": is_default,
        "LifecycleId": None,
        "Rules": [],
        "TenantTags": [],
        "GitReferenceRules": [],
        "GitResourceRules": [],
        "Type": "Lifecycle",
        "Links": {
            **links_of(space_id, "channels", identifier),
            "Project": f"/api/{space_id}/projects/{project_id}",
            "Releases": f"/api/{space_id}/projects/{project_id}/channels/{identifier}/releases"
            "{?skip,take,searchByVersion}",
        },
    }


def runbook(space_id: str, identifier: str, name: str, project_id: str) -> JsonObject:
    """Return a runbook of a project."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "ProjectId": project_id,
        "Name": name,
        "Slug": slug_of(name),
        "Description": None,
        "RunbookProcessId": f"RunbookProcess-{identifier}",
        "PublishedRunbookSnapshotId": None,
        "MultiTenancyMode": "Untenanted",
        "EnvironmentScope": "All",
        "Environments": [],
        "DefaultGuidedFailureMode": "EnvironmentDefault",
        "ForcePackageDownload": False,
        "Links": {
            **links_of(space_id, "runbooks", identifier),
            "RunbookProcesses": f"/api/{space_id}/runbookProcesses/RunbookProcess-{identifier}",
        },
    }


def step(step_id: str, name: str, action_id: str, target_roles: str) -> JsonObject:
    """Return a process step that holds one script action of the same name."""
    return {
        "Id": step_id,
        "Name": name,
        "Slug": slug_of(name),
        "PackageRequirement": "LetOctopusDecide",
        "Properties": {"Octopus.Action.TargetRoles": target_roles},
        "Condition": "Success",
        "StartTrigger": "StartAfterPrevious",
        "Actions": [
            {
                "Id": action_id,
                "Name": name,
                "Slug": slug_of(name),
                "ActionType": "Octopus.Script",
                "Notes": None,
                "IsDisabled": False,
                "CanBeUsedForProjectVersioning": False,
                "IsRequired": False,
                "WorkerPoolId": None,
                "WorkerPoolVariable": None,
                "Container": {"Image": None, "FeedId": None},
                "Environments": [],
                "ExcludedEnvironments": [],
                "Channels": [],
                "TenantTags": [],
                "Packages": [],
                "Condition": "Success",
                "Properties": {"Octopus.Action.Script.ScriptBody": "echo deployed"},
                "Links": {},
            }
        ],
    }


def deployment_process(space_id: str, project_id: str, steps: Sequence[JsonObject]) -> JsonObject:
    """Return the deployment process of a project."""
    identifier = f"deploymentprocess-{project_id}"
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "ProjectId": project_id,
        "Version": 0,
        "LastSnapshotId": None,
        "Steps": list(steps),
        "Links": {
            **links_of(space_id, "deploymentprocesses", identifier),
            "Project": f"/api/{space_id}/projects/{project_id}",
        },
    }


def runbook_process(
    space_id: str, project_id: str, runbook_id: str, steps: Sequence[JsonObject]
) -> JsonObject:
    """Return the process of a runbook."""
    identifier = f"RunbookProcess-{runbook_id}"
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "ProjectId": project_id,
        "RunbookId": runbook_id,
        "Version": 0,
        "LastSnapshotId": None,
        "Steps": list(steps),
        "Links": links_of(space_id, "runbookProcesses", identifier),
    }
