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
from secretsync_octopus_deploy.config import SCOPE_KINDS, OctopusConfig
from secretsync_octopus_deploy.texts import printable

_SCOPE_TITLES = {
    "environments": "Environments that the project's variables can be scoped to.",
    "roles": "Target tags that the project's variables can be scoped to.",
    "machines": "Deployment targets that the project's variables can be scoped to.",
    "processes": "The deployment process and runbooks that variables can be scoped to.",
    "actions": "Deployment steps that the project's variables can be scoped to.",
    "channels": "Channels that the project's variables can be scoped to.",
}

OPTION_LISTS = (
    OptionList(name="spaces", description="Spaces that the API key can see."),
    OptionList(
        name="projects",
        description="Projects of a space that the API key can see.",
        parameters=("spaceId",),
    ),
    *(
        OptionList(name=name, description=_SCOPE_TITLES[name], parameters=("spaceId", "projectId"))
        for name in SCOPE_KINDS
    ),
)


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
    if request.option_list == "projects":
        space = _place(request, ("spaceId",)).space_id
        try:
            return await _resources(client, f"/api/{space}/projects/all")
        except NotFound as error:
            raise NotFound(error.message, field="spaceId") from None
    if request.option_list not in SCOPE_KINDS:
        known = ", ".join(option_list.name for option_list in OPTION_LISTS)
        text = f"there is no option list {request.option_list!r}; there are {known}"
        raise InvalidConfig(f"Octopus Deploy: {text}.", violations={"optionList": text})
    current = await client.read_set(_place(request, ("spaceId", "projectId")))
    choices = (current.scope_values or {}).get(SCOPE_KINDS[request.option_list][1], ())
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
        if isinstance(item, dict) and item.get("Id")
    ]


def _place(request: DiscoverRequest, needed: tuple[str, ...]) -> OctopusConfig:
    """Return a configuration made of the parameters, which checks their shapes.

    Raises:
        InvalidConfig: with a violation for each parameter that is missing or malformed.
    """
    given = {"spaceId": "Spaces-1", "projectId": "Projects-1"}
    given.update({name: request.parameters.get(name, "") for name in needed})
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
