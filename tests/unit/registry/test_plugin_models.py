"""Configurations and credentials are read with the plugin's models; no secret is ever quoted."""

import enum
import ipaddress
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import Field, create_model, field_validator, model_validator

from secretsync.adapter import AdapterModel, DestinationInfo, SecretValue
from secretsync.domain.problems import Problem, Violations
from secretsync.plugin_models import MAX_TOLD
from secretsync.registry import LoadedDestination, Registry, public_fields

CANARY = "API-CANARY7Q"


class Scope(AdapterModel):
    roles: tuple[str, ...] = ()


class Config(AdapterModel):
    space_id: Annotated[str, Field(pattern="^Spaces-[0-9]+$")]
    port: Annotated[int, Field(gt=0)] = 1
    kind: Literal["project", "library"] = "project"
    scope_values: Scope = Scope()

    @field_validator("space_id")
    @classmethod
    def _not_the_first(cls, value: str) -> str:
        if value == "Spaces-0":
            raise ValueError("there is no Spaces-0")
        return value


class Credentials(AdapterModel):
    instance_url: str
    api_key: SecretValue
    user_name: str = "svc"

    @model_validator(mode="after")
    def _indiscreet(self) -> "Credentials":
        if self.api_key.reveal().startswith("bad"):
            raise ValueError(f"the key {self.api_key.reveal()} is bad")
        return self


@pytest.fixture
def registry() -> Registry:
    info = DestinationInfo(
        name="vault",
        title="Vault",
        description="A destination for tests.",
        config_model=Config,
        credential_models={"api-key": Credentials, "anonymous": Scope},
        target_key=lambda *_: "",
    )
    made = Registry()
    made._loaded["vault"] = LoadedDestination(info, "")
    return made


def complaints(violations: Violations) -> dict[str, str]:
    try:
        violations.raise_if_any()
    except Problem as problem:
        return {each.field: each.description for each in problem.violations}
    return {}


def parse_config(registry: Registry, config: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    violations = Violations()
    model = registry.parse_config("vault", config, "sync.config", violations)
    return model, complaints(violations)


def parse_credentials(
    registry: Registry, credentials: Mapping[str, Any], method: str = "api-key"
) -> tuple[Any, dict[str, str]]:
    violations = Violations()
    model = registry.parse_credentials(
        "vault", method, credentials, "connection.credentials", violations
    )
    return model, complaints(violations)


class TestConfig:
    def test_wire_values_make_a_model(self, registry: Registry) -> None:
        given = {"spaceId": "Spaces-1", "scopeValues": {"roles": ["web"]}}
        model, told = parse_config(registry, given)
        assert model == Config(space_id="Spaces-1", scope_values=Scope(roles=("web",)))
        assert told == {}

    def test_everything_wrong_is_told_at_once(self, registry: Registry) -> None:
        given = {
            "port": "80",
            "kind": "other",
            "scopeValues": {"roles": [1, "web", None], "what": 1},
            "unknown": 1,
        }
        model, told = parse_config(registry, given)
        assert model is None
        assert told == {
            "sync.config.spaceId": "is required",
            "sync.config.port": "Input should be a valid integer",
            "sync.config.kind": "Input should be 'project' or 'library'",
            "sync.config.scopeValues.roles.0": "Input should be a valid string",
            "sync.config.scopeValues.roles.2": "Input should be a valid string",
            "sync.config.scopeValues.what": "is not a field",
            "sync.config.unknown": (
                "is not a field; known fields are: kind, port, scopeValues, spaceId"
            ),
        }

    def test_the_plugins_own_words_are_passed_on(self, registry: Registry) -> None:
        _, told = parse_config(registry, {"spaceId": "Spaces-0"})
        assert told == {"sync.config.spaceId": "there is no Spaces-0"}

    def test_a_default_that_breaks_a_rule_is_told_by_its_name_on_the_wire(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        odd = create_model(
            "Odd",
            __base__=AdapterModel,
            given_twice=(Annotated[int, Field(gt=0, validate_default=True)], 0),
        )
        loaded = registry._loaded["vault"]
        assert isinstance(loaded, LoadedDestination)
        info = replace(loaded.info, config_model=odd)
        monkeypatch.setitem(registry._loaded, "vault", LoadedDestination(info, ""))

        assert parse_config(registry, {})[1] == {
            "sync.config.givenTwice": "Input should be greater than 0"
        }

    @pytest.mark.parametrize("given", [{"spaceId": True}, {"spaceId": 1}, {"spaceId": None}])
    def test_types_are_not_coerced(self, registry: Registry, given: dict[str, object]) -> None:
        assert parse_config(registry, given)[1] == {
            "sync.config.spaceId": "Input should be a valid string"
        }


class TestCredentials:
    def test_wire_values_make_a_model(self, registry: Registry) -> None:
        model, told = parse_credentials(registry, {"instanceUrl": "u", "apiKey": CANARY})
        assert told == {}
        assert model.api_key.reveal() == CANARY

    @pytest.mark.parametrize("field", ["connection.credentials", "credentials"])
    def test_an_unknown_method_is_told_which_there_are(
        self, registry: Registry, field: str
    ) -> None:
        violations = Violations()
        assert registry.parse_credentials("vault", "oidc", {}, field, violations) is None
        parent = "connection." if "." in field else ""
        assert complaints(violations) == {
            f"{parent}method": "vault offers the method(s) anonymous, api-key"
        }

    @pytest.mark.parametrize(
        "given",
        [
            {"apiKey": [CANARY], "instanceUrl": {"x": CANARY}, "userName": 5},
            {"apiKey": {"value": CANARY}, "more": CANARY},
            {"instanceUrl": [CANARY, [CANARY]]},
        ],
    )
    def test_no_violation_quotes_what_was_given(
        self, registry: Registry, given: dict[str, object]
    ) -> None:
        model, told = parse_credentials(registry, given)
        assert model is None
        assert told
        assert CANARY not in repr(told)

    def test_a_validator_that_quotes_is_not_passed_on(self, registry: Registry) -> None:
        given = {"instanceUrl": "u", "apiKey": f"bad-{CANARY}"}
        assert parse_credentials(registry, given)[1] == {"connection.credentials": "is not valid"}

    def test_short_texts_do_not_hide_what_is_wrong(self, registry: Registry) -> None:
        _, told = parse_credentials(
            registry, {"instanceUrl": "a", "apiKey": 1, "userName": "valid"}
        )
        assert told == {"connection.credentials.apiKey": "Input should be a valid string"}

    def test_a_secret_pasted_as_a_field_name_is_not_repeated(self, registry: Registry) -> None:
        _, told = parse_credentials(
            registry, {"instanceUrl": "u", "apiKey": "k", f"{CANARY}!": "", "plain": ""}
        )
        assert CANARY not in repr(told)
        assert set(told) == {
            "connection.credentials.(a field with an odd name)",
            "connection.credentials.plain",
        }

    def test_no_more_is_told_than_anyone_reads(self, registry: Registry) -> None:
        given = {"instanceUrl": "u", "apiKey": "k", **{f"f{n}": 1 for n in range(5 * MAX_TOLD)}}
        assert len(parse_credentials(registry, given)[1]) == MAX_TOLD


class Colour(enum.Enum):
    RED = "red"


class Cat(AdapterModel):
    kind: Literal["cat"]


class Dog(AdapterModel):
    kind: Literal["dog"]


FIELD_TYPES = [
    int,
    bool,
    bytes,
    uuid.UUID,
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    Colour,
    Literal["red"],
    list[int],
    dict[str, int],
    Annotated[str, Field(max_length=3)],
    Annotated[str, Field(pattern="^z$")],
    Annotated[Cat | Dog, Field(discriminator="kind")],
    int | Cat,
]


@pytest.mark.parametrize("field_type", FIELD_TYPES, ids=str)
@pytest.mark.parametrize(
    "given",
    [CANARY, "x" + CANARY, [CANARY], {"kind": CANARY}, {"a": CANARY}, "12.3." + CANARY, "short"],
    ids=str,
)
def test_no_kind_of_field_quotes_what_was_given(
    registry: Registry, field_type: object, given: object
) -> None:
    fields: dict[str, Any] = {"field": (field_type, ...)}
    model = create_model("Model", __base__=AdapterModel, **fields)
    models = cast("dict[str, Any]", registry.get("vault").info.credential_models)
    models["probe"] = model
    _, told = parse_credentials(registry, {"field": given}, "probe")
    if not (isinstance(given, str) and field_type is bytes):
        assert told
    assert CANARY not in repr(list(told.values()))
    assert "'short'" not in repr(told)


class TestPublicFields:
    def test_secrets_are_left_out_and_names_are_those_of_the_wire(self) -> None:
        model = Credentials(instance_url="u", api_key=SecretValue(CANARY))
        assert public_fields(model) == {"instanceUrl": "u", "userName": "svc"}

    def test_fields_with_names_of_their_own_keep_to_them(self) -> None:
        class Named(AdapterModel):
            api_key: SecretValue = Field(alias="token")
            other_key: SecretValue = Field(serialization_alias="other")
            place: str = Field(alias="where")

        model = Named.model_validate_json('{"token": "a", "otherKey": "b", "where": "c"}')
        assert public_fields(model) == {"where": "c"}
