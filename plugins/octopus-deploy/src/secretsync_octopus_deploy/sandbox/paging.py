"""Filters, sorts and pages collections as the Octopus REST API does."""

from collections.abc import Iterable
from urllib.parse import quote

from starlette.datastructures import QueryParams

from secretsync_octopus_deploy.sandbox.errors import bad_request
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject

DEFAULT_TAKE = 30
EVERYTHING = 2147483647


def by_name(items: Iterable[JsonObject]) -> list[JsonObject]:
    """Return `items` sorted by `Name`, without regard to case."""
    return sorted(items, key=lambda item: (_name(item), item["Id"]))


def page(
    items: Iterable[JsonObject],
    *,
    path: str,
    query: QueryParams,
    item_type: str,
    content_type: str = "",
) -> JsonObject:
    """Return one page of `items`, sorted by name.

    Args:
        items: The whole collection.
        path: The collection's own path, for the links.
        query: `skip` (default 0), `take` (default 30), `partialName` (part of the name, without
            regard to case) and `ids` (comma-separated, may be repeated).
        item_type: The collection's `ItemType`.
        content_type: The `ContentType` to keep; empty keeps every item.

    Raises:
        OctopusError: 400 if `skip` or `take` is not a whole number of 0 or more.
    """
    skip = _count(query, "skip", 0)
    take = _count(query, "take", DEFAULT_TAKE)
    partial_name = query.get("partialName", "")
    ids = [one for group in query.getlist("ids") for one in group.split(",") if one]
    found = [
        item
        for item in by_name(items)
        if partial_name.casefold() in _name(item)
        and (not ids or item["Id"] in ids)
        and (not content_type or item["ContentType"] == content_type)
    ]
    pages = max(1, -(-len(found) // max(take, 1)))
    filters = [
        ("contentType", content_type),
        ("partialName", partial_name),
        ("ids", ",".join(ids)),
    ]
    suffix = "".join(f"&{key}={quote(value, safe='')}" for key, value in filters if value)

    def link(at: int, size: int) -> str:
        return f"{path}?skip={at}&take={size}{suffix}"

    links = {
        "Self": link(skip, take),
        "Template": f"{path}{{?skip,take,ids,partialName}}",
        "Page.All": link(0, EVERYTHING),
        "Page.Current": link(skip, take),
        "Page.Last": link((pages - 1) * take, take),
    }
    if skip:
        links["Page.Previous"] = link(max(0, skip - take), take)
    if take and skip + take < len(found):
        links["Page.Next"] = link(skip + take, take)
    return {
        "ItemType": item_type,
        "TotalResults": len(found),
        "ItemsPerPage": take,
        "NumberOfPages": pages,
        "LastPageNumber": pages - 1,
        "Items": found[skip : skip + take],
        "Links": links,
    }


def _count(query: QueryParams, key: str, default: int) -> int:
    """Return the whole number that `query` has under `key`; empty means `default`."""
    text = query.get(key, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f"The value '{text}' is not valid for {key}.")
    return int(text)


def _name(item: JsonObject) -> str:
    """Return the name that `item` is found and sorted by; processes have none but their id."""
    return str(item.get("Name") or item["Id"]).casefold()
