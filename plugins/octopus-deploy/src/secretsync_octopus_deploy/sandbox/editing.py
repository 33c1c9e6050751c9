"""Creates, changes and deletes resources of a space as requests ask.

What is needed and what is refused follows the official Go client and its own tests. UNVERIFIED:
the texts of the refusals, and that a field left out of a change keeps its value.
"""

from collections.abc import Callable

from secretsync_octopus_deploy.sandbox.errors import bad_request
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.kinds import KINDS
from secretsync_octopus_deploy.sandbox.resources import slug_of
from secretsync_octopus_deploy.sandbox.world import Space, World

# Fields that the server sets itself, or sets once.
_OWNED = frozenset(
    {
        "ClonedFromProjectId",
        "ContentType",
        "DeploymentProcessId",
        "Id",
        "IsDefault",
        "IsVersionControlled",
        "Links",
        "PersistenceSettings",
        "ProjectId",
        "SpaceId",
        "VariableSetId",
    }
)
# Fields that name other resources, and the collections that these are in.
_REFERENCES = {
    "LifecycleId": "lifecycles",
    "ProjectGroupId": "projectgroups",
    "ProjectId": "projects",
}
_REFERENCE_LISTS = {
    "EnvironmentIds": "environments",
    "IncludedLibraryVariableSetIds": "libraryvariablesets",
}
_REQUIRED = {"projects": ("LifecycleId", "ProjectGroupId"), "channels": ("ProjectId",)}
# What may not be deleted while something refers to it.
_KEPT_IN_USE = frozenset({"lifecycles", "projectgroups", "libraryvariablesets"})

_ADDERS: dict[str, Callable[[World, Space, str, JsonObject], JsonObject]] = {
    "projects": lambda world, space, name, body: world.add_project(
        space, name, group_id=body["ProjectGroupId"], lifecycle_id=body["LifecycleId"]
    ),
    "channels": lambda world, space, name, body: world.add_channel(space, body["ProjectId"], name),
    "environments": lambda world, space, name, _: world.add_environment(space, name),
    "projectgroups": lambda world, space, name, _: world.add_project_group(space, name),
    "lifecycles": lambda world, space, name, _: world.add_lifecycle(space, name),
    "machines": lambda world, space, name, _: world.add_machine(
        space, name, roles=[], environment_ids=[], health="Unknown"
    ),
    "libraryvariablesets": lambda world, space, name, body: space.find(
        "libraryvariablesets",
        world.add_library_set(
            space, name, content_type=body.get("ContentType") or "Variables"
        ).owner_id,
    ),
}


def create(world: World, space: Space, collection: str, body: JsonObject) -> JsonObject:
    """Add the resource that `body` describes to an editable collection, and return it.

    Raises:
        OctopusError: 400 if it lacks something, has a name that is taken, or refers to what does
            not exist; nothing has changed then.
    """
    _check_references(space, collection, body)
    name = _checked_name(space, collection, body, project_id=body.get("ProjectId"))
    added = _ADDERS[collection](world, space, name, body)
    take_over(added, body)
    return added


def update(space: Space, collection: str, identifier: str, body: JsonObject) -> JsonObject:
    """Change a resource to what `body` says, and return it.

    Raises:
        OctopusError: 404 if there is none, 400 as for `create`; nothing has changed then.
    """
    held = space.find(collection, identifier)
    _check_references(space, collection, {**held, **body})
    _checked_name(space, collection, body, project_id=held.get("ProjectId"), own_id=held["Id"])
    take_over(held, body)
    return held


def delete(world: World, space: Space, collection: str, identifier: str) -> None:
    """Delete a resource with what it owns.

    Raises:
        OctopusError: 404 if there is none, 400 if it is in use or a project's default channel.
    """
    held = space.find(collection, identifier)
    if collection == "channels" and held["IsDefault"]:
        raise bad_request("The default channel of a project cannot be deleted.")
    if collection in _KEPT_IN_USE and (users := _users_of(space, collection, held["Id"])):
        raise bad_request(
            f"This {KINDS[collection].noun} cannot be deleted because it is in use by "
            f"{', '.join(users)}."
        )
    world.remove(space, collection, held["Id"])


def take_over(resource: JsonObject, body: JsonObject) -> None:
    """Set the fields of `resource` that a caller may set; unknown ones are ignored.

    An empty slug asks the server to make one of the name. Null leaves alone what cannot be null.
    """
    for key, value in body.items():
        if key not in resource or key in _OWNED:
            continue
        if key == "Slug":
            resource[key] = value if value and isinstance(value, str) else slug_of(body["Name"])
        elif value is not None or not isinstance(resource[key], bool | dict | list):
            resource[key] = value


def _checked_name(
    space: Space,
    collection: str,
    body: JsonObject,
    *,
    project_id: str | None,
    own_id: str | None = None,
) -> str:
    """Return the name in `body`, after making sure that no other resource of the kind has it.

    Args:
        space: The space.
        collection: The kind.
        body: The resource as sent.
        project_id: The project within which names are told apart; None means the space.
        own_id: The resource that may have the name already.
    """
    name, noun = body.get("Name"), KINDS[collection].noun
    if not isinstance(name, str) or not name:
        raise bad_request(f"Please provide a name for the {noun}.")
    for item in space.collections[collection].values():
        is_other = item["Id"] != own_id and item.get("ProjectId") == project_id
        if is_other and item["Name"].casefold() == name.casefold():
            raise bad_request(
                f"{_with_article(noun).capitalize()} with this name already exists. "
                "Please choose a different name."
            )
    return name


def _check_references(space: Space, collection: str, resource: JsonObject) -> None:
    """Refuse what refers to nothing where it must, or to resources that do not exist."""
    missing = [key for key in _REQUIRED.get(collection, ()) if not resource.get(key)]
    if missing:
        raise bad_request(f"{' and '.join(missing)} must be given.")
    # Looked for in lists, not in sets: what was sent need not be a text.
    named = [(key, kind, [resource.get(key) or ""]) for key, kind in _REFERENCES.items()]
    named += [(key, kind, _texts(resource, key)) for key, kind in _REFERENCE_LISTS.items()]
    _texts(resource, "Roles")
    problems = [
        f"{key} names {_with_article(KINDS[kind].noun)} that does not exist."
        for key, kind, ids in named
        if any(one != "" and one not in list(space.collections[kind]) for one in ids)
    ]
    if problems:
        raise bad_request("There was a problem with your request.", errors=problems)


def _with_article(noun: str) -> str:
    """Return `a lifecycle` or `an environment`."""
    return f"{'an' if noun.startswith('e') else 'a'} {noun}"


def _texts(body: JsonObject, key: str) -> list[str]:
    """Return the list of texts under `key`; absent and null mean an empty one."""
    texts = body.get(key) or []
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise bad_request(f"{key} must be a list of texts.")
    return texts


def _users_of(space: Space, collection: str, identifier: str) -> list[str]:
    """Return the names of the resources that refer to a resource of `collection`."""
    in_fields = [key for key, kind in _REFERENCES.items() if kind == collection]
    in_lists = [key for key, kind in _REFERENCE_LISTS.items() if kind == collection]
    return [
        item["Name"]
        for held in space.collections.values()
        for item in held.values()
        if any(item.get(key) == identifier for key in in_fields)
        or any(identifier in item.get(key, ()) for key in in_lists)
    ]
