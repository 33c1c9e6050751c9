"""Builds the JSON of spaces, of users and of what spaces hold, in the shapes of the REST API.

The field names come from the Octopus REST API reference and the official Go client.
"""

import re
from collections.abc import Sequence

from secretsync_octopus_deploy.sandbox.jsonio import JsonObject


def slug_of(name: str) -> str:
    """Return the slug that a server makes of a name, for example `web-shop` of `Web Shop`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


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


def environment(space_id: str, identifier: str, name: str, sort_order: int) -> JsonObject:
    """Return an environment."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": slug_of(name),
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
    health: str,
) -> JsonObject:
    """Return a deployment target; `roles` are its target tags, `health` its status."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": slug_of(name),
        "EnvironmentIds": list(environment_ids),
        "Roles": list(roles),
        "TenantedDeploymentParticipation": "Untenanted",
        "TenantIds": [],
        "TenantTags": [],
        "MachinePolicyId": "MachinePolicies-1",
        "HealthStatus": health,
        "Status": "Online" if health == "Healthy" else "Unknown",
        "StatusSummary": (
            "This machine was successfully health checked."
            if health == "Healthy"
            else "This machine has not been health checked yet."
        ),
        "IsDisabled": False,
        "IsInProcess": False,
        "HasLatestCalamari": True,
        "OperatingSystem": "Unknown",
        "ShellName": "Unknown",
        "ShellVersion": "Unknown",
        "Thumbprint": None,
        "Uri": None,
        "Endpoint": {"Id": None, "CommunicationStyle": "None", "Links": {}},
        "Links": links_of(space_id, "machines", identifier),
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


def project_group(space_id: str, identifier: str, name: str) -> JsonObject:
    """Return a project group."""
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": slug_of(name),
        "Description": None,
        "EnvironmentIds": [],
        "RetentionPolicyId": None,
        "Links": {
            **links_of(space_id, "projectgroups", identifier),
            "Projects": f"/api/{space_id}/projectgroups/{identifier}/projects",
        },
    }


def lifecycle(space_id: str, identifier: str, name: str) -> JsonObject:
    """Return a lifecycle without phases, which lets releases go to every environment."""
    keep_forever: JsonObject = {
        "Strategy": "Forever",
        "Unit": "Items",
        "QuantityToKeep": 0,
        "ShouldKeepForever": True,
    }
    return {
        "Id": identifier,
        "SpaceId": space_id,
        "Name": name,
        "Slug": slug_of(name),
        "Description": None,
        "Phases": [],
        "ReleaseRetentionPolicy": keep_forever,
        "TentacleRetentionPolicy": {**keep_forever},
        "Links": {
            **links_of(space_id, "lifecycles", identifier),
            "Projects": f"/api/{space_id}/lifecycles/{identifier}/projects",
        },
    }


def user(identifier: str, username: str, display_name: str, *, is_requestor: bool) -> JsonObject:
    """Return a user; the one who asks (`is_requestor`) is a service account."""
    return {
        "Id": identifier,
        "Username": username,
        "DisplayName": display_name,
        "IsActive": True,
        "IsService": is_requestor,
        "EmailAddress": None,
        "IsRequestor": is_requestor,
        "Identities": [],
        "Links": {"Self": f"/api/users/{identifier}"},
    }
