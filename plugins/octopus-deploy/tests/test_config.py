"""Configuration: what is accepted, and what is said of what is not."""

# Builders pass on fields of any type.

from typing import Any

import pytest
from octopus_kit import LIBRARY, config_of
from pydantic import ValidationError

from secretsync_octopus_deploy.config import (
    PROJECT_SCOPE_KINDS,
    SCOPE_KINDS,
    OctopusConfig,
    target_key,
)


def problems(error: ValidationError) -> dict[str, str]:
    return {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}


def test_a_configuration_with_everything() -> None:
    scope = {field: [f"{field}-1", f"{field}-2"] for field in SCOPE_KINDS}

    config = config_of(scope, scope="project", octostache="passthrough")

    assert config.scope_values.as_scope() == {
        "Action": ["actions-1", "actions-2"],
        "Channel": ["channels-1", "channels-2"],
        "Environment": ["environments-1", "environments-2"],
        "Machine": ["machines-1", "machines-2"],
        "ProcessOwner": ["processes-1", "processes-2"],
        "Role": ["roles-1", "roles-2"],
        "TenantTag": ["tenantTags-1", "tenantTags-2"],
    }


def test_the_defaults_of_a_configuration() -> None:
    config = OctopusConfig.model_validate({"spaceId": "Spaces-1", "projectId": "Projects-1"})

    assert config.scope == "project"
    assert config.octostache == "escape"
    assert config.scope_values.as_scope() == {}
    assert config.owner_id == "Projects-1"
    assert config.variable_set_id == "variableset-Projects-1"


def test_a_configuration_for_a_library_variable_set() -> None:
    scope = {"environments": ["Environments-1"], "tenantTags": ["Regions/us-east", "Tier/Gold"]}

    config = config_of(scope, **LIBRARY)

    assert config.owner_id == "LibraryVariableSets-2"
    assert config.variable_set_id == "variableset-LibraryVariableSets-2"
    assert config.scope_values.as_scope() == {
        "Environment": ["Environments-1"],
        "TenantTag": ["Regions/us-east", "Tier/Gold"],
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"projectId": None}, {"projectId": 'is required with scope "project"'}),
        (
            {"libraryVariableSetId": "LibraryVariableSets-1"},
            {"libraryVariableSetId": 'must not be set with scope "project": remove it'},
        ),
        (
            {**LIBRARY, "libraryVariableSetId": None},
            {"libraryVariableSetId": 'is required with scope "library-variable-set"'},
        ),
        (
            {**LIBRARY, "projectId": "Projects-1"},
            {"projectId": 'must not be set with scope "library-variable-set": remove it'},
        ),
        (
            {"scope": "library-variable-set"},
            {
                "projectId": 'must not be set with scope "library-variable-set"',
                "libraryVariableSetId": 'is required with scope "library-variable-set"',
            },
        ),
        (
            {**LIBRARY, "libraryVariableSetId": "variableset-LibraryVariableSets-2"},
            {"libraryVariableSetId": 'must be an id such as "LibraryVariableSets-1"'},
        ),
        (
            {**LIBRARY, "scope": "tenant"},
            {"scope": "Input should be 'project' or 'library-variable-set'"},
        ),
    ],
    ids=str,
)
def test_the_owner_of_the_variables_must_fit_the_scope(
    fields: dict[str, Any], expected: dict[str, str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(None, **fields)

    found = problems(caught.value)
    assert found.keys() == expected.keys()
    assert all(said in found[field] for field, said in expected.items())


@pytest.mark.parametrize("kinds", [[kind] for kind in PROJECT_SCOPE_KINDS] + [PROJECT_SCOPE_KINDS])
def test_a_library_variable_set_takes_no_steps_processes_and_channels(kinds: list[str]) -> None:
    scope = {kind: ["x-1"] for kind in kinds}

    with pytest.raises(ValidationError) as caught:
        config_of(scope, **LIBRARY)

    (said,) = problems(caught.value).values()
    assert "a library variable set has no processes, actions (steps) and channels" in said
    assert f'remove {", ".join(kinds)}, or choose scope "project"' in said
    assert config_of(scope).scope_values.as_scope()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("spaceId", "Default", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Spaces-1/..", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Spaces-1\n", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Projects-1", 'must be an id such as "Spaces-1"'),
        ("projectId", "my-project-1", 'must be an id such as "Projects-1"'),
        ("projectId", "../Projects-1", 'must be an id such as "Projects-1"'),
        ("projectId", "", 'must be an id such as "Projects-1"'),
        ("octostache", "yes", "Input should be 'escape' or 'passthrough'"),
        ("unknown", 1, "Extra inputs are not permitted"),
    ],
)
def test_configurations_that_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(None, **{field: value})

    assert said in problems(caught.value)[field]


def test_a_configuration_is_an_object() -> None:
    with pytest.raises(ValidationError, match="Input should be an object"):
        OctopusConfig.model_validate_json("[]")


def test_a_configuration_can_be_made_by_the_names_of_the_fields() -> None:
    config = OctopusConfig(space_id="Spaces-1", project_id="Projects-2")

    assert config == config_of()


def test_every_violation_of_a_scope_is_told_with_its_place() -> None:
    scope: dict[str, Any] = {
        "environments": ["Environments-1", " "],
        "roles": ["web", "web"],
        "machines": ["a\u200b\n"],
        "channels": "Channels-1",
        "actions": ["x" * 201],
        "tenants": [],
    }

    with pytest.raises(ValidationError) as caught:
        config_of(scope, spaceId="")

    found = problems(caught.value)
    assert "must not be blank" in found["scopeValues.environments.1"]
    assert "lists web more than once" in found["scopeValues.roles"]
    assert "no spaces around it and no control characters" in found["scopeValues.machines.0"]
    assert "valid list" in found["scopeValues.channels"]
    assert "at most 200 characters" in found["scopeValues.actions.0"]
    assert "not permitted" in found["scopeValues.tenants"]
    assert "spaceId" in found


def test_the_target_key_names_the_variable_set_and_not_the_scope() -> None:
    one = target_key(config_of({"environments": ["Environments-1"]}), "octopus/x")
    other = target_key(config_of({"roles": ["web"]}), "octopus/x")

    assert one == "octopus/x/Spaces-1/variables/variableset-Projects-2"
    assert other == one
    assert target_key(config_of(projectId="Projects-3"), "octopus/x") != one
    assert target_key(config_of(), "octopus/y") != one


def test_a_library_variable_set_and_a_project_are_different_targets() -> None:
    library = target_key(config_of(**LIBRARY), "octopus/x")

    assert library == "octopus/x/Spaces-1/variables/variableset-LibraryVariableSets-2"
    assert library != target_key(config_of(projectId="Projects-2"), "octopus/x")


def test_a_scope_lists_a_hundred_ids_at_most() -> None:
    assert config_of({"machines": [f"Machines-{number}" for number in range(100)]})
    with pytest.raises(ValidationError) as caught:
        config_of({"machines": [f"Machines-{number}" for number in range(101)]})

    assert "at most 100 items" in problems(caught.value)["scopeValues.machines"]


def test_the_schema_describes_every_field() -> None:
    schema = OctopusConfig.model_json_schema()

    assert all("description" in field or "$ref" in field for field in schema["properties"].values())
