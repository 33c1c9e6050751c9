"""Everything that the sandboxed server holds, in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from secretsync_octopus_deploy.sandbox import project_resources, resources
from secretsync_octopus_deploy.sandbox.errors import not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.kinds import KINDS
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

REQUESTOR_ID = "Users-1"
# What goes with a project when it is deleted; each of them names its project.
_PARTS_OF_PROJECTS = ("channels", "runbooks", "releases", "deploymentprocesses", "runbookProcesses")


@dataclass
class Space:
    """One space: its own JSON, and its resources by collection and id."""

    resource: JsonObject
    collections: dict[str, dict[str, JsonObject]] = field(
        default_factory=lambda: {name: {} for name in KINDS}
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
        users: By id; the first is the one whom every key belongs to.
        sets: Variable sets by id.
        git_sets: The variables that projects keep in Git, by project id and branch.
        installation_id: What tells this server from others, whatever its address.
        refuses_unknown_scope_ids: Whether a PUT with scope ids that do not exist gets a 400.
    """

    def __init__(self, installation_id: str = "5a4db0c5-0000-4000-8000-000000000001") -> None:
        self.installation_id = installation_id
        self.spaces: dict[str, Space] = {}
        self.users: dict[str, JsonObject] = {}
        self.sets: dict[str, VariableSet] = {}
        self.git_sets: dict[tuple[str, str], VariableSet] = {}
        self.refuses_unknown_scope_ids = False
        self._last_numbers: Counter[str] = Counter()
        self.add_user("svc", "svc")

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

    def add_user(self, username: str, display_name: str) -> JsonObject:
        """Add a user and return it; the first is the requestor."""
        identifier = self._next_id("Users")
        self.users[identifier] = resources.user(
            identifier, username, display_name, is_requestor=identifier == REQUESTOR_ID
        )
        return self.users[identifier]

    def add_space(self, name: str, slug: str) -> Space:
        """Add a space with its first project group and lifecycle; the first is the default."""
        space_id = self._next_id("Spaces")
        space = Space(resources.space(space_id, name, slug, is_default=not self.spaces))
        self.spaces[space_id] = space
        self.add_project_group(space, "Default Project Group")
        self.add_lifecycle(space, "Default Lifecycle")
        return space

    def remove_space(self, space_id: str) -> None:
        """Remove a space with everything in it."""
        space = self.spaces[space_id]
        for collection in ("projects", "libraryvariablesets"):
            for identifier in list(space.collections[collection]):
                self.remove(space, collection, identifier)
        del self.spaces[space_id]

    def add_project_group(self, space: Space, name: str) -> JsonObject:
        """Add a project group and return it."""
        return self._add(space, "projectgroups", resources.project_group, name)

    def add_lifecycle(self, space: Space, name: str) -> JsonObject:
        """Add a lifecycle without phases and return it."""
        return self._add(space, "lifecycles", resources.lifecycle, name)

    def add_project(
        self,
        space: Space,
        name: str,
        *,
        group_id: str = "",
        lifecycle_id: str = "",
        in_git: bool = False,
        steps: Sequence[JsonObject] = (),
    ) -> JsonObject:
        """Add a project with its default channel, deployment process and empty variable set.

        Args:
            space: The space.
            name: The name.
            group_id: Its project group; empty means the space's first.
            lifecycle_id: Its lifecycle; empty means the space's first.
            in_git: Whether its text variables live in a Git repository.
            steps: Those of its deployment process.
        """
        project_id = self._next_id("Projects")
        project = project_resources.project(
            space.space_id,
            project_id,
            name,
            group_id=group_id or next(iter(space.collections["projectgroups"]), ""),
            lifecycle_id=lifecycle_id or next(iter(space.collections["lifecycles"]), ""),
            in_git=in_git,
        )
        space.collections["projects"][project_id] = project
        process = project_resources.deployment_process(space.space_id, project_id, steps)
        space.collections["deploymentprocesses"][process["Id"]] = process
        self._add_set(space, project)
        self.add_channel(space, project_id, "Default", is_default=True)
        return project

    def add_branch(self, project: JsonObject, branch: str) -> VariableSet:
        """Add a branch to a project in Git and return the variables that it holds, none yet."""
        added = VariableSet(project["VariableSetId"], project["Id"], project["SpaceId"])
        self.git_sets[project["Id"], branch] = added
        return added

    def add_channel(
        self, space: Space, project_id: str, name: str, *, is_default: bool = False
    ) -> JsonObject:
        """Add a channel to a project and return it."""
        identifier = self._next_id("Channels")
        added = project_resources.channel(
            space.space_id, identifier, name, project_id, is_default=is_default
        )
        space.collections["channels"][identifier] = added
        return added

    def add_runbook(
        self, space: Space, project_id: str, name: str, steps: Sequence[JsonObject]
    ) -> None:
        """Add a runbook, with its process, to a project."""
        identifier = self._next_id("Runbooks")
        space.collections["runbooks"][identifier] = project_resources.runbook(
            space.space_id, identifier, name, project_id
        )
        process = project_resources.runbook_process(space.space_id, project_id, identifier, steps)
        space.collections["runbookProcesses"][process["Id"]] = process

    def add_environment(self, space: Space, name: str) -> JsonObject:
        """Add an environment after those that are there and return it."""
        held = space.collections["environments"]
        identifier = self._next_id("Environments")
        held[identifier] = resources.environment(space.space_id, identifier, name, len(held))
        return held[identifier]

    def add_machine(
        self,
        space: Space,
        name: str,
        *,
        roles: Sequence[str],
        environment_ids: Sequence[str],
        health: str = "Healthy",
    ) -> JsonObject:
        """Add a deployment target and return it; `health` is "Unknown" before the first check."""
        identifier = self._next_id("Machines")
        added = resources.machine(
            space.space_id,
            identifier,
            name,
            roles=roles,
            environment_ids=environment_ids,
            health=health,
        )
        space.collections["machines"][identifier] = added
        return added

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

    def remove(self, space: Space, collection: str, identifier: str) -> None:
        """Remove a resource with what it owns.

        Rows stay scoped to what is gone, as Octopus's do. UNVERIFIED: that deployment targets stay
        when an environment of theirs goes.
        """
        removed = space.collections[collection].pop(identifier)
        if "VariableSetId" in removed:
            del self.sets[removed["VariableSetId"]]
        if collection == "projects":
            for part in _PARTS_OF_PROJECTS:
                for item in space.of_project(part, identifier):
                    del space.collections[part][item["Id"]]
            for key in [key for key in self.git_sets if key[0] == identifier]:
                del self.git_sets[key]
        if collection == "environments":
            for machine in space.collections["machines"].values():
                if identifier in machine["EnvironmentIds"]:
                    machine["EnvironmentIds"].remove(identifier)

    def _add(
        self,
        space: Space,
        collection: str,
        build: Callable[[str, str, str], JsonObject],
        name: str,
    ) -> JsonObject:
        """Add what `build` makes of the space's id, a new id and `name`, and return it."""
        identifier = self._next_id(KINDS[collection].id_prefix)
        added = build(space.space_id, identifier, name)
        space.collections[collection][identifier] = added
        return added

    def _add_set(self, space: Space, owner: JsonObject) -> VariableSet:
        """Add the empty variable set that `owner` names."""
        added = VariableSet(owner["VariableSetId"], owner["Id"], space.space_id)
        self.sets[added.set_id] = added
        return added

    def _next_id(self, kind: str) -> str:
        """Return the next id of a kind; numbers count over all spaces, as Octopus's do."""
        self._last_numbers[kind] += 1
        return f"{kind}-{self._last_numbers[kind]}"
