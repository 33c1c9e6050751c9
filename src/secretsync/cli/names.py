"""Turns what users write into resource names: short slugs, or full names as they are."""

import re

from secretsync.cli.errors import CliError, invalid
from secretsync.cli.framework import State


def project_name(state: State, given: str | None = None) -> str:
    """Return `projects/{project}`.

    Args:
        state: has the project of `--project`, used if none is given.
        given: a slug or a full name.

    Raises:
        CliError: there is no project, or it is not written as it must be.
    """
    text = given if given is not None else state.project
    if not text:
        raise invalid(
            "which project? none was given",
            hint="give --project SLUG, set SECRETSYNC_PROJECT, or use a full resource name",
        )
    return _full_or_slug(text, "projects/{project}", "")


def child_name(state: State, collection: str, given: str) -> str:
    """Return the name of something in a project, e.g. `projects/shop/environments/dev`.

    Args:
        state: has the project of `--project`, used for a slug.
        collection: `environments`, `connections` or `secretSyncs`.
        given: a slug or a full name.

    Raises:
        CliError: as for project_name.
    """
    parent = "" if given.startswith("projects/") else project_name(state)
    return _full_or_slug(given, f"projects/{{project}}/{collection}/{{{collection[:-1]}}}", parent)


def secret_import_name(state: State, environment: str | None, given: str) -> str:
    """Return the name of a secret import.

    Args:
        state: has the project of `--project`.
        environment: the environment that a short id belongs to.
        given: the id or a full name.

    Raises:
        CliError: as for project_name, or a short id came without an environment.
    """
    pattern = "projects/{project}/environments/{environment}/secretImports/{secretImport}"
    if given.startswith("projects/"):
        return _full_or_slug(given, pattern, "")
    if environment is None:
        raise invalid(
            "which environment is the secret import of?",
            hint="give --environment, or the full name from `secretsync secret-import list`",
        )
    return _full_or_slug(given, pattern, child_name(state, "environments", environment))


def destination_name(given: str) -> str:
    """Return `destinations/{destination}` for a slug or a full name."""
    return _full_or_slug(given, "destinations/{destination}", "")


def run_name(state: State, given: str) -> tuple[str, str]:
    """Return the names of a sync and of one of its runs; the run's is empty if none was named.

    Args:
        state: has the project of `--project`.
        given: `SYNC`, `SYNC/RUN`, or the full name of either.

    Raises:
        CliError: as for project_name.
    """
    full = re.fullmatch(r"(projects/[^/]+/secretSyncs/[^/]+)(?:/runs/([^/]+))?", given)
    short = re.fullmatch(r"([^/]+)(?:/([^/]+))?", given)
    match = full or short
    if match is None:
        raise _not_a_name(given, "projects/{project}/secretSyncs/{secretSync}/runs/{run}")
    sync = child_name(state, "secretSyncs", match[1])
    return sync, f"{sync}/runs/{match[2]}" if match[2] else ""


def former_place_name(state: State, given: str) -> str:
    """Return the name of a former place of a sync.

    Args:
        state: has the project of `--project`.
        given: `SYNC/PLACE`, or the full name.

    Raises:
        CliError: as for project_name.
    """
    full = re.fullmatch(r"(projects/[^/]+/secretSyncs/[^/]+)/formerPlaces/([^/]+)", given)
    match = full or re.fullmatch(r"([^/]+)/([^/]+)", given)
    if match is None:
        raise _not_a_name(given, "projects/{project}/secretSyncs/{secretSync}/formerPlaces/{place}")
    return f"{child_name(state, 'secretSyncs', match[1])}/formerPlaces/{match[2]}"


def short_name(name: str) -> str:
    """Return the last part of a resource name."""
    return name.rpartition("/")[2]


def _full_or_slug(given: str, pattern: str, parent: str) -> str:
    """Return a full name as it is, or append a slug to its parent and collection."""
    shape = re.sub(r"\{\w+\}", "[^/]+", pattern)
    if re.fullmatch(shape, given):
        return given
    if not given or "/" in given:
        raise _not_a_name(given, pattern)
    collection = pattern.split("/")[-2]
    return f"{parent}/{collection}/{given}" if parent else f"{collection}/{given}"


def _not_a_name(given: str, pattern: str) -> CliError:
    return invalid(f"{given!r} is no name: write its short slug, or {pattern}")
