"""What a destination says of itself: its models, its abilities and how its places are named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

API_VERSION = 1
"""The version of the hooks in this package. A plugin states the one that it was written for."""


class AdapterModel(BaseModel):
    """Base of a destination's configuration and credential models.

    Fields are snake_case in Python and lowerCamelCase on the wire. Unknown fields are refused,
    types are not coerced, instances are immutable, and validation errors never repeat the input.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
    )


class Capability(StrEnum):
    """An ability that a destination may declare; `validate`, `sync` and `remove` are required."""

    DISCOVER = "discover"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionList:
    """One list of choices that `discover` offers.

    Attributes:
        name: the list's name, lowerCamelCase, e.g. `projects`.
        description: one sentence for people.
        parameters: names of the configuration values that must be chosen before, e.g. `spaceId`.
    """

    name: str
    description: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationInfo:
    """What the `destination` hook returns.

    Attributes:
        name: the destination's name, a slug; equal to the name of the plugin's entry point.
        title: the name for people, e.g. `Octopus Deploy`.
        description: one sentence for people.
        config_model: model of a sync's `destination_config`.
        credential_models: model of a connection's `credentials`, per method, e.g. `api-key`; the
            usual method first.
        target_key: names the document that a configuration writes to, from the configuration and
            `ValidateResult.instance`. One document must have one key, however it is reached.
            Runs with the same key never run at the same time. Must not do I/O.
        name_identity: folds a name at the destination into what the destination tells apart;
            the default tells every two names apart. Folds each character by itself.
        identity: makes the `LedgerEntry.identity` of a name from the configuration and the name,
            so that two syncs that would write the same thing are found before they run. Must not
            do I/O. Default: None, it is `name_identity` of the name.
        shared_scope: tells of two configurations with one target key, whose identities of a name
            differ, where what they write applies at the same time, for people, e.g.
            `Environment: Environments-1`; None if nowhere. Must not do I/O. Default: nowhere.
        capabilities: the optional hooks that the plugin implements.
        option_lists: the lists that `discover` offers.
        api_version: the `API_VERSION` that the plugin was written for.
    """

    name: str
    title: str
    description: str
    config_model: type[AdapterModel]
    credential_models: Mapping[str, type[AdapterModel]]
    target_key: Callable[[Any, str], str]
    name_identity: Callable[[str], str] = str
    identity: Callable[[Any, str], str] | None = None
    shared_scope: Callable[[Any, Any], str | None] = field(default=lambda _one, _other: None)
    capabilities: frozenset[Capability] = frozenset()
    option_lists: tuple[OptionList, ...] = field(default=())
    api_version: int = API_VERSION
