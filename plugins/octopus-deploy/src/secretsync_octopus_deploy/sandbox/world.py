"""Everything that the sandboxed server holds, in memory."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from secretsync_octopus_deploy.sandbox import resources
from secretsync_octopus_deploy.sandbox.errors import not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

# By path segment: the collections of a space and their ItemType.
# UNVERIFIED for machines, channels, runbooks and processes: the ItemType texts.
ITEM_TYPES = {
    "projects": "Project",
    "environments": "Environment",
    "machines": "DeploymentTarget",
    "channels": "Channel",
    "runbooks": "Runbook",
    "deploymentprocesses": "DeploymentProcess",
    "runbookProcesses": "RunbookProcess",
    "libraryvariablesets": "LibraryVariableSet",
    "tagsets": "TagSet",
}


@dataclass
class Space:
    """One space: its own JSON, and its resources by collection and id."""

    resource: JsonObject
    collections: dict[str, dict[str, JsonObject]] = field(
        default_factory=lambda: {name: {} for name in ITEM_TYPES}
    )

    @property
    def space_id(self) -> str:
        """The id, for example `Spaces-1`."""
        return str(self.resource["Id"])

    def find(self, collection: str, identifier: str) -> JsonObject:
        """Return the resource that has `identifier` as its id or slug.

        Raises:
            OctopusError: 404 if there is none.
        """
        held = self.collections[collection]
        if identifier in held:
            return held[identifier]
        for item in held.values():
            if item.get("Slug") == identifier:
                return item
        raise not_found(identifier)

    def of_project(self, collection: str, project_id: str) -> list[JsonObject]:
        """Return the resources of `collection` that belong to a project."""
        return [
            item
            for item in self.collections[collection].values()
            if item["ProjectId"] == project_id
        ]

    def roles(self) -> list[str]:
        """Return the target tags that machines have, each once, sorted."""
        machines = self.collections["machines"].values()
        return sorted({role for machine in machines for role in machine["Roles"]})


class World:
    """The server's state. Not thread-safe: only the server's event loop touches it.

    Attributes:
        spaces: By id; the first is the default space.
        sets: Variable sets by id.
        refuses_unknown_scope_ids: Whether a PUT with scope ids that do not exist gets a 400.
    """

    def __init__(self) -> None:
        self.spaces: dict[str, Space] = {}
        self.sets: dict[str, VariableSet] = {}
        self.refuses_unknown_scope_ids = False
        self._last_numbers: Counter[str] = Counter()

    def find_space(self, identifier: str | None) -> Space:
        """Return the space with this id or slug; None means the default space.

        Raises:
            OctopusError: 404 if there is none.
        """
        for space in self.spaces.values():
            if identifier is None or identifier in {space.space_id, space.resource["Slug"]}:
                return space
        raise not_found(str(identifier))

    def find_set(self, space: Space, set_id: str) -> VariableSet:
        """Return a variable set of `space`.

        Raises:
            OctopusError: 404 if there is none.
        """
        found = self.sets.get(set_id)
        if found is None or found.space_id != space.space_id:
            raise not_found(set_id)
        return found

    def add_space(self, name: str, slug: str) -> Space:
        """Add a space; the first one becomes the default."""
        space_id = self._next_id("Spaces")
        resource = resources.space(space_id, name, slug, is_default=not self.spaces)
        self.spaces[space_id] = Space(resource)
        return self.spaces[space_id]

    def add_project(
        self,
        space: Space,
        name: str,
        *,
        in_git: bool = False,
        steps: Sequence[JsonObject] = (),
    ) -> JsonObject:
        """Add a project with its default channel, deployment process and empty variable set."""
        project_id = self._next_id("Projects")
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        project = resources.project(space.space_id, project_id, name, slug, in_git=in_git)
        space.collections["projects"][project_id] = project
        process = resources.deployment_process(space.space_id, project_id, steps)
        space.collections["deploymentprocesses"][process["Id"]] = process
        self._add_set(space, project)
        self.add_channel(space, project_id, "Default", is_default=True)
        return project

    def add_channel(
        self, space: Space, project_id: str, name: str, *, is_default: bool = False
    ) -> None:
        """Add a channel to a project."""
        identifier = self._next_id("Channels")
        space.collections["channels"][identifier] = resources.channel(
            space.space_id, identifier, name, project_id, is_default=is_default
        )

    def add_runbook(
        self, space: Space, project_id: str, name: str, steps: Sequence[JsonObject]
    ) -> None:
        """Add a runbook, with its process, to a project."""
        identifier = self._next_id("Runbooks")
        space.collections["runbooks"][identifier] = resources.runbook(
            space.space_id, identifier, name, project_id
        )
        process = resources.runbook_process(space.space_id, project_id, identifier, steps)
        space.collections["runbookProcesses"][process["Id"]] = process

    def add_environment(self, space: Space, name: str) -> None:
        """Add an environment after those that are there."""
        held = space.collections["environments"]
        identifier = self._next_id("Environments")
        held[identifier] = resources.environment(space.space_id, identifier, name, len(held))

    def add_machine(
        self, space: Space, name: str, *, roles: Sequence[str], environment_ids: Sequence[str]
    ) -> None:
        """Add a deployment target."""
        identifier = self._next_id("Machines")
        space.collections["machines"][identifier] = resources.machine(
            space.space_id, identifier, name, roles=roles, environment_ids=environment_ids
        )

    def add_library_set(
        self, space: Space, name: str, *, content_type: str = "Variables"
    ) -> VariableSet:
        """Add a library variable set and return its variables."""
        identifier = self._next_id("LibraryVariableSets")
        resource = resources.library_set(
            space.space_id, identifier, name, content_type=content_type
        )
        space.collections["libraryvariablesets"][identifier] = resource
        return self._add_set(space, resource)

    def add_tag_set(self, space: Space, name: str, tags: Sequence[str]) -> None:
        """Add a set of tenant tags."""
        identifier = self._next_id("TagSets")
        space.collections["tagsets"][identifier] = resources.tag_set(
            space.space_id, identifier, name, tags
        )

    def _add_set(self, space: Space, owner: JsonObject) -> VariableSet:
        """Add the empty variable set that `owner` names."""
        added = VariableSet(owner["VariableSetId"], owner["Id"], space.space_id)
        self.sets[added.set_id] = added
        return added

    def _next_id(self, kind: str) -> str:
        """Return the next id of a kind; numbers count over all spaces, as Octopus's do."""
        self._last_numbers[kind] += 1
        return f"{kind}-{self._last_numbers[kind]}"


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
