"""What a sync says about its place in Octopus Deploy."""

import re
from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel, to_snake

from secretsync.adapter import AdapterModel
from secretsync_octopus_deploy.rows import Scope, canonical_scope

MAX_SCOPE_ID_LENGTH = 200
MAX_SCOPE_IDS = 100

SCOPE_KINDS = {
    "environments": ("Environment", "Environments"),
    "roles": ("Role", "Roles"),
    "machines": ("Machine", "Machines"),
    "processes": ("ProcessOwner", "Processes"),
    "actions": ("Action", "Actions"),
    "channels": ("Channel", "Channels"),
    "tenantTags": ("TenantTag", "TenantTags"),
}
"""Per field of `ScopeValues`: the key in a variable's scope, the list of choices in its set."""

_FIELD_NAMES = {kind: to_snake(kind) for kind in SCOPE_KINDS}

PROJECT_SCOPE_KINDS = ("processes", "actions", "channels")
"""Fields of `ScopeValues` that name parts of a project, which a library set does not have."""


def _check_scope_id(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    if value != value.strip() or not value.isprintable():
        raise ValueError("must have no spaces around it and no control characters")
    return value


def _check_distinct(values: list[str]) -> list[str]:
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise ValueError(f"lists {', '.join(repeated)} more than once")
    return values


ScopeIds = Annotated[
    list[Annotated[str, Field(max_length=MAX_SCOPE_ID_LENGTH), AfterValidator(_check_scope_id)]],
    AfterValidator(_check_distinct),
    Field(max_length=MAX_SCOPE_IDS, json_schema_extra={"uniqueItems": True}),
]


class ScopeValues(AdapterModel):
    """What the variables of a sync are scoped to; empty lists restrict nothing.

    Attributes:
        environments: environment ids, e.g. `Environments-1`.
        roles: target tags (formerly: roles).
        machines: deployment target ids, e.g. `Machines-1`.
        processes: the project's id for its deployment process, or ids of runbooks.
        actions: ids of deployment steps.
        channels: channel ids, e.g. `Channels-1`.
        tenant_tags: canonical names of tenant tags, tag set and tag, e.g. `Regions/us-east`.
    """

    environments: ScopeIds = Field(default_factory=list)
    roles: ScopeIds = Field(default_factory=list)
    machines: ScopeIds = Field(default_factory=list)
    processes: ScopeIds = Field(default_factory=list)
    actions: ScopeIds = Field(default_factory=list)
    channels: ScopeIds = Field(default_factory=list)
    tenant_tags: ScopeIds = Field(default_factory=list)

    def ids(self, kind: str) -> list[str]:
        """Return the ids of a kind, by the kind's name on the wire, e.g. `tenantTags`."""
        found: list[str] = getattr(self, _FIELD_NAMES[kind])
        return found

    def as_scope(self) -> Scope:
        """Return the scope that every variable of the sync has."""
        return canonical_scope({key: self.ids(kind) for kind, (key, _) in SCOPE_KINDS.items()})


def _numbered_id(prefix: str) -> AfterValidator:
    # Ids stand in URL paths, and a slug or another spelling would name one set in two ways.
    def check(value: str) -> str:
        if not re.fullmatch(rf"{prefix}-[0-9]{{1,18}}", value, re.ASCII):
            raise ValueError(f'must be an id such as "{prefix}-1", not a name or slug')
        return value

    return AfterValidator(check)


_OWNER_FIELDS = {"project": "project_id", "library-variable-set": "library_variable_set_id"}
"""Per scope, the field that names what owns the variables."""


class OctopusConfig(AdapterModel):
    """A sync's place in Octopus Deploy.

    Attributes:
        space_id: the space's id, e.g. `Spaces-1`.
        scope: what owns the variables: `project` (default) or `library-variable-set`.
        project_id: the project's id, e.g. `Projects-1`; required with scope `project`, and None
            otherwise.
        library_variable_set_id: the library variable set's id, e.g. `LibraryVariableSets-1`;
            required with scope `library-variable-set`, and None otherwise.
        scope_values: what the variables are scoped to; nothing by default. Variables of a library
            variable set cannot be scoped to processes, actions and channels.
        octostache: what to do with `#{` in values. `escape` (default) writes them so that a
            deployment sees the value exactly as the source has it; `passthrough` lets Octopus
            evaluate them.
    """

    space_id: Annotated[str, _numbered_id("Spaces")] = Field(description="Space id: Spaces-1")
    # Stands before the fields whose rules depend on it.
    scope: Literal["project", "library-variable-set"] = Field(
        default="project",
        description="What owns the variables: a project, or a library variable set.",
    )
    project_id: Annotated[str, _numbered_id("Projects")] | None = Field(
        default=None,
        description="Project id: Projects-1. Required with scope project, and only used there.",
    )
    library_variable_set_id: Annotated[str, _numbered_id("LibraryVariableSets")] | None = Field(
        default=None,
        description="Library variable set id: LibraryVariableSets-1. Required with scope"
        " library-variable-set, and only used there.",
    )
    scope_values: ScopeValues = Field(
        default_factory=ScopeValues, description="What the variables are scoped to."
    )
    octostache: Literal["escape", "passthrough"] = Field(
        default="escape",
        description="Whether #{...} in values is literal (escape) or evaluated (passthrough).",
    )

    @model_validator(mode="before")
    @classmethod
    def _mention_owners(cls, given: object) -> object:
        # Fields that are left out are not validated, or their errors have not their wire names.
        if not isinstance(given, dict):
            return given
        left_out = [
            name for name in _OWNER_FIELDS.values() if not {name, to_camel(name)} & given.keys()
        ]
        return {**given, **{to_camel(name): None for name in left_out}}

    @field_validator("project_id", "library_variable_set_id")
    @classmethod
    def _check_owner(cls, owner_id: str | None, info: ValidationInfo) -> str | None:
        scope = info.data.get("scope")
        # Without a valid scope it cannot be told which of the two ids belongs here.
        if scope is None:
            return owner_id
        is_wanted = _OWNER_FIELDS[scope] == info.field_name
        if is_wanted and owner_id is None:
            raise ValueError(f'is required with scope "{scope}"')
        if not is_wanted and owner_id is not None:
            raise ValueError(
                f'must not be set with scope "{scope}": remove it, or choose the other scope'
            )
        return owner_id

    @field_validator("scope_values")
    @classmethod
    def _check_kinds(cls, values: ScopeValues, info: ValidationInfo) -> ScopeValues:
        refused = [kind for kind in PROJECT_SCOPE_KINDS if values.ids(kind)]
        if refused and info.data.get("scope") == "library-variable-set":
            raise ValueError(
                "a library variable set has no processes, actions (steps) and channels to scope"
                f' to: remove {", ".join(refused)}, or choose scope "project"'
            )
        return values

    @property
    def is_library(self) -> bool:
        """Whether the variables belong to a library variable set."""
        return self.scope == "library-variable-set"

    @property
    def owner_id(self) -> str:
        """Id of the project or library variable set."""
        return self.project_id or self.library_variable_set_id or ""

    @property
    def owner_field(self) -> str:
        """The field that names it, as it is called on the wire."""
        return "libraryVariableSetId" if self.is_library else "projectId"

    @property
    def owner_kind(self) -> str:
        """What it is called in messages."""
        return "library variable set" if self.is_library else "project"

    @property
    def variable_set_id(self) -> str:
        """Id of the variable set, which follows from the owner's (Go client, Octopus CLI)."""
        return f"variableset-{self.owner_id}"


def target_key(config: OctopusConfig, instance: str) -> str:
    """Return the name of the variable set that a configuration writes to.

    Args:
        config: names the space, and the project or library variable set.
        instance: `ValidateResult.instance`.
    """
    return f"{instance}/{config.space_id}/variables/{config.variable_set_id}"
