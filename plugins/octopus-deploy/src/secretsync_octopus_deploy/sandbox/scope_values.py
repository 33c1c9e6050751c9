"""What the rows of a variable set can be scoped to."""

from collections.abc import Iterable, Iterator

from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet
from secretsync_octopus_deploy.sandbox.world import Space


def scope_values(space: Space, variable_set: VariableSet) -> JsonObject:
    """Return what the rows of a set can be scoped to.

    Steps, processes and channels are a project's own: library sets get none.
    UNVERIFIED: that a tenant tag's `Id` is its canonical name and `Name` the bare tag.
    """
    values: JsonObject = {
        "Environments": _references(space.collections["environments"].values()),
        "Machines": _references(space.collections["machines"].values()),
        "Actions": [],
        "Roles": [{"Id": role, "Name": role} for role in space.roles()],
        "Channels": [],
        "TenantTags": [
            {"Id": tag["CanonicalTagName"], "Name": tag["Name"]}
            for tag_set in space.collections["tagsets"].values()
            for tag in tag_set["Tags"]
        ],
        "Processes": [],
    }
    if not variable_set.is_library:
        owner_id = variable_set.owner_id
        values["Channels"] = _references(space.of_project("channels", owner_id))
        values["Actions"] = _references(_actions(space, owner_id))
        values["Processes"] = [
            {"Id": owner_id, "Name": "Deployment process", "ProcessType": "Deployment"},
            *(
                {"Id": runbook["Id"], "Name": runbook["Name"], "ProcessType": "Runbook"}
                for runbook in space.of_project("runbooks", owner_id)
            ),
        ]
    return values


def scope_ids(space: Space, variable_set: VariableSet) -> dict[str, set[str]]:
    """Return, by scope key, the ids that `scope_values` offers."""
    values = scope_values(space, variable_set)
    keys = {
        "Environment": "Environments",
        "Machine": "Machines",
        "Action": "Actions",
        "Role": "Roles",
        "Channel": "Channels",
        "TenantTag": "TenantTags",
        "ProcessOwner": "Processes",
    }
    return {key: {item["Id"] for item in values[name]} for key, name in keys.items()}


def _actions(space: Space, project_id: str) -> Iterator[JsonObject]:
    """Yield the actions of a project's deployment process and of its runbooks."""
    for collection in ("deploymentprocesses", "runbookProcesses"):
        for process in space.of_project(collection, project_id):
            for step in process["Steps"]:
                yield from step["Actions"]


def _references(items: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the id and name of each item."""
    return [{"Id": item["Id"], "Name": item["Name"]} for item in items]
