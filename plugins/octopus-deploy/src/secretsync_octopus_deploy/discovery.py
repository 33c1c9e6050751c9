"""Lists choices for the fields of a configuration, a page at a time."""

import base64
import json

from pydantic import ValidationError

from secretsync.adapter import (
    DiscoverRequest,
    DiscoverResult,
    InvalidConfig,
    NotFound,
    Option,
    OptionList,
    Unavailable,
)
from secretsync_octopus_deploy.client import OctopusClient
from secretsync_octopus_deploy.config import PROJECT_SCOPE_KINDS, SCOPE_KINDS, OctopusConfig
from secretsync_octopus_deploy.texts import printable

_SCOPE_TITLES = {
    "environments": "Environments that the {owner}'s variables can be scoped to.",
    "roles": "Target tags that the {owner}'s variables can be scoped to.",
    "machines": "Deployment targets that the {owner}'s variables can be scoped to.",
    "processes": "The deployment process and runbooks that variables can be scoped to.",
    "actions": "Deployment steps that the {owner}'s variables can be scoped to.",
    "channels": "Channels that the {owner}'s variables can be scoped to.",
    "tenantTags": "Tenant tags that the {owner}'s variables can be scoped to.",
}

_LIBRARY_KINDS = {
    f"library{kind[0].upper()}{kind[1:]}": kind
    for kind in SCOPE_KINDS
    if kind not in PROJECT_SCOPE_KINDS
}
"""Option lists for library variable sets, e.g. `libraryTenantTags`, to the kind of scope value.
They are lists of their own because all parameters of a list must be given."""

OPTION_LISTS = (
    OptionList(name="spaces", description="Spaces that the connection's user can see."),
    OptionList(
        name="projects",
        description="Projects of a space that the connection's user can see.",
        parameters=("spaceId",),
    ),
    OptionList(
        name="libraryVariableSets",
        description="Library variable sets of a space that the connection's user can see.",
        parameters=("spaceId",),
    ),
    *(
        OptionList(
            name=kind,
            description=_SCOPE_TITLES[kind].format(owner="project"),
            parameters=("spaceId", "projectId"),
        )
        for kind in SCOPE_KINDS
    ),
    *(
        OptionList(
            name=name,
            description=_SCOPE_TITLES[kind].format(owner="library variable set"),
            parameters=("spaceId", "libraryVariableSetId"),
        )
        for name, kind in _LIBRARY_KINDS.items()
    ),
)

_COLLECTIONS = {"projects": "projects", "libraryVariableSets": "libraryvariablesets"}
"""Option lists of what a space holds, to the collections in Octopus's paths."""


async def list_options(request: DiscoverRequest) -> DiscoverResult:
    """Return one page of an option list, ordered by name without regard to case, then by id.

    The page token names the last option of the page before, so that options which come and go
    in between shift no others.

    Raises:
        InvalidConfig: unknown list, missing or malformed parameter, or a foreign page token.
    """
    options = sorted(await _options(request), key=_order)
    if request.page_token:
        last = _decode(request.page_token, request.option_list)
        options = [option for option in options if _order(option) > last]
    page = tuple(options[: request.page_size])
    is_last = len(page) == len(options)
    token = "" if is_last else _encode(request.option_list, _order(page[-1]))
    return DiscoverResult(options=page, next_page_token=token)


async def _options(request: DiscoverRequest) -> list[Option]:
    client = OctopusClient(request)
    if request.option_list == "spaces":
        return await _resources(client, "/api/spaces/all")
    if request.option_list in _COLLECTIONS:
        space = _place(request, "spaceId").space_id
        try:
            return await _resources(client, f"/api/{space}/{_COLLECTIONS[request.option_list]}/all")
        except NotFound as error:
            raise NotFound(error.message, field="spaceId") from None
    if request.option_list in SCOPE_KINDS:
        kind, place = request.option_list, _place(request, "spaceId", "projectId")
    elif request.option_list in _LIBRARY_KINDS:
        kind = _LIBRARY_KINDS[request.option_list]
        place = _place(request, "spaceId", "libraryVariableSetId")
    else:
        known = ", ".join(option_list.name for option_list in OPTION_LISTS)
        text = f"there is no option list {request.option_list!r}; there are {known}"
        raise InvalidConfig(f"Octopus Deploy: {text}.", violations={"optionList": text})
    current = await client.read_set(place)
    choices = (current.scope_values or {}).get(SCOPE_KINDS[kind][1], ())
    return [Option(id=one.id, name=one.name, description=one.kind) for one in choices]


async def _resources(client: OctopusClient, path: str) -> list[Option]:
    found = await client.get_json(path)
    if not isinstance(found, list):
        raise Unavailable(f"Octopus's answer to GET {path} cannot be used: it is not a list.")
    return [
        Option(
            id=printable(str(item["Id"])),
            name=printable(str(item.get("Name") or item["Id"])),
            description=printable(str(item.get("Description") or "")),
        )
        for item in found
        if isinstance(item, dict)
        and item.get("Id")
        # Script modules are library variable sets too, and hold no variables.
        and item.get("ContentType") != "ScriptModule"
    ]


def _place(request: DiscoverRequest, *needed: str) -> OctopusConfig:
    """Return a configuration made of the parameters, which checks their shapes.

    Raises:
        InvalidConfig: with a violation for each parameter that is missing or malformed.
    """
    given = {name: request.parameters.get(name, "") for name in needed}
    if "libraryVariableSetId" in needed:
        given["scope"] = "library-variable-set"
    elif "projectId" not in needed:
        # A configuration has an owner, which a list of owners does not need.
        given["projectId"] = "Projects-1"
    try:
        return OctopusConfig.model_validate(given)
    except ValidationError as error:
        violations = {
            str(problem["loc"][0]): problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_context=False)
        }
    text = "; ".join(f"{name} {reason}" for name, reason in violations.items())
    raise InvalidConfig(f"Choose first what to list from: {text}.", violations=violations)


def _order(option: Option) -> tuple[str, str]:
    return option.name.casefold(), option.id


def _encode(option_list: str, last: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([option_list, *last]).encode()).decode()


def _decode(token: str, option_list: str) -> tuple[str, str]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
    except ValueError:
        decoded = None
    match decoded:
        case [str(name), str(last_name), str(last_id)] if name == option_list:
            return last_name, last_id
    text = "is not a page token of this list: take it from the page before, or leave it empty"
    raise InvalidConfig(f"The page token {text}.", violations={"pageToken": text})
