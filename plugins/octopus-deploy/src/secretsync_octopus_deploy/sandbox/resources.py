"""Builds the JSON of spaces, projects and what belongs to them, in the shapes of the REST API.

The field names come from the Octopus REST API reference and the official Go client.
"""

from collections.abc import Sequence

from secretsync_octopus_deploy.sandbox.jsonio import JsonObject


def links_of(space_id: str, collection: str, identifier: str) -> JsonObject:
    """Return the links that every resource of a space has."""
    return {"Self": f"/api/{space_id}/{collection}/{identifier}"}


def space(space_id: str, name: str, slug: str, *, is_default: bool) -> JsonObject:
    """Return a space."""
    return {
        "Id": space_id,
        "Name": name,
        "Slug": slug,
        "Description": None,
        "IsDefault": is_default,
        "TaskQueueStopped": False,
        "SpaceManagersTeams": ["teams-administrators"],
        "SpaceManagersTeamMembers": [],
        "ExtensionSettings": [],
        "Links": {
            "Self": f"/api/spaces/{space_id}",
            "SpaceHome": f"/api/{space_id}",
            "Web": f"/app#/{space_id}",
        },
    }


def project(space_id: str, project_id: str, name: str, slug: str, *, in_git: bool) -> JsonObject:
    """Return a project; `in_git` makes it one whose text variables live in a Git repository."""
    path = f"/api/{space_id}/projects/{project_id}"
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
        "ProjectGroupId": "ProjectGroups-1",
        "LifecycleId": "Lifecycles-1",
        "IsVersionControlled": in_git,
        "PersistenceSettings": persistence,
        "IncludedLibraryVariableSetIds": [],
        "TenantedDeploymentMode": "Untenanted",
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
            "DeploymentProcess": f"{path}/deploymentprocesses",
            "Web": f"/app#/{space_id}/projects/{slug}",
        },
    }


def environment(space_id: str, identifier: str, name: str, sort_order: int) -> JsonObject:
    """Return an environment."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": name.lower(),
        "Description": "",
        "SortOrder": sort_order,
        "UseGuidedFailure": False,
        "AllowDynamicInfrastructure": False,
        "ExtensionSettings": [],
        "Links": links_of(space_id, "environments", identifier),
    }


def machine(
    space_id: str,
    identifier: str,
    name: str,
    *,
    roles: Sequence[str],
    environment_ids: Sequence[str],
) -> JsonObject:
    """Return a deployment target; `roles` are its target tags."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": name.lower(),
        "EnvironmentIds": list(environment_ids),
        "Roles": list(roles),
        "TenantedDeploymentParticipation": "Untenanted",
        "TenantIds": [],
        "TenantTags": [],
        "MachinePolicyId": "MachinePolicies-1",
        "HealthStatus": "Healthy",
        "Status": "Online",
        "StatusSummary": "This machine was successfully health checked.",
        "IsDisabled": False,
        "IsInProcess": False,
        "Thumbprint": None,
        "Uri": None,
        "Endpoint": {"Id": None, "CommunicationStyle": "None", "Links": {}},
        "Links": links_of(space_id, "machines", identifier),
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
        "Slug": name.lower(),
        "Description": None,
        "IsDefault": is_default,
        "LifecycleId": None,
        "Rules": [],
        "TenantTags": [],
        "GitReferenceRules": [],
        "GitResourceRules": [],
        "Links": links_of(space_id, "channels", identifier),
    }


def runbook(space_id: str, identifier: str, name: str, project_id: str) -> JsonObject:
    """Return a runbook of a project."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "ProjectId": project_id,
        "Name": name,
        "Slug": name.lower().replace(" ", "-"),
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
        "Slug": name.lower().replace(" ", "-"),
        "PackageRequirement": "LetOctopusDecide",
        "Properties": {"Octopus.Action.TargetRoles": target_roles},
        "Condition": "Success",
        "StartTrigger": "StartAfterPrevious",
        "Actions": [
            {
                "Id": action_id,
                "Name": name,
                "Slug": name.lower().replace(" ", "-"),
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


def library_set(
    space_id: str, identifier: str, name: str, *, content_type: str = "Variables"
) -> JsonObject:
    """Return a library variable set; `content_type` may be `ScriptModule` too."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Description": None,
        "VariableSetId": f"variableset-{identifier}",
        "ContentType": content_type,
        "Templates": [],
        "Links": {
            **links_of(space_id, "libraryvariablesets", identifier),
            "Variables": f"/api/{space_id}/variables/variableset-{identifier}",
        },
    }


def tag_set(space_id: str, identifier: str, name: str, tags: Sequence[str]) -> JsonObject:
    """Return a tenant tag set; a tag's canonical name is `tag set/tag`."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Description": "",
        "SortOrder": 0,
        "Tags": [
            {
                "Id": f"{identifier}/Tags-{number}",
                "Name": tag,
                "CanonicalTagName": f"{name}/{tag}",
                "Color": "#333333",
                "Description": "",
                "SortOrder": number,
            }
            for number, tag in enumerate(tags)
        ],
        "Links": links_of(space_id, "tagsets", identifier),
    }
