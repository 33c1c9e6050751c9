"""A secret value shows itself to `reveal()` alone."""

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import JsonSchemaMode

from secretsync.adapter import AdapterModel, DesiredSecret, SecretValue

SECRET = "hunter2-\u00e4\U0001f511-#{Octopus}"
# Long enough that it does not turn up by chance in a mask or in a memory address.
TEXTS = st.text(st.characters(exclude_characters="*", min_codepoint=0x2500), min_size=4)


class Credentials(AdapterModel):
    user_name: str = "svc"
    api_key: SecretValue
    more: tuple[SecretValue, ...] = ()
    fallback: SecretValue = SecretValue(SECRET)


def shown(value: object) -> list[str]:
    """Return every text that prints, formats and logs could make of a value."""
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s %r", (value, value), None)
    return [
        repr(value),
        str(value),
        format(value),
        f"{value} {value!r} {value!s} {value:>40}",
        "{} {!r} {:20}".format(value, value, value),  # noqa: UP032  str.format is the point
        "%s %r" % (value, value),  # noqa: UP031  likewise
        str([value]),
        str({"k": value}),
        record.getMessage(),
    ]


@given(TEXTS)
def test_nothing_that_prints_shows_it(text: str) -> None:
    value = SecretValue(text)
    assert not [told for told in shown(value) if text in told]
    assert value.reveal() == text


@given(st.text(), st.text())
def test_not_even_the_length_shows(one: str, other: str) -> None:
    assert shown(SecretValue(one)) == shown(SecretValue(other))


@given(TEXTS)
def test_a_dataclass_that_holds_it_shows_nothing(text: str) -> None:
    desired = DesiredSecret(key="K", name="N", value=SecretValue(text))
    assert text not in repr(desired)
    assert text not in repr(replace(desired, name="M"))
    assert text not in repr(asdict(desired))
    assert asdict(desired)["value"].reveal() == text


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    for holder in (
        SecretValue(SECRET),
        [SecretValue(SECRET)],
        Credentials(api_key=SecretValue(SECRET)),
    ):
        with pytest.raises(TypeError, match="cannot be pickled") as told:
            pickle.dumps(holder, protocol)
        assert SECRET not in str(told.value)


def test_json_refuses_it_without_quoting_it() -> None:
    with pytest.raises(TypeError) as told:
        json.dumps({"value": SecretValue(SECRET)})
    assert SECRET not in str(told.value)
    assert SECRET not in json.dumps({"value": SecretValue(SECRET)}, default=str)


def test_copies_are_the_value_itself() -> None:
    value = SecretValue(SECRET)
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value


def test_it_has_no_other_attributes() -> None:
    value = SecretValue(SECRET)
    assert not hasattr(value, "__dict__")
    with pytest.raises(AttributeError):
        value.note = "x"  # type: ignore[attr-defined]


@given(st.text(st.characters()), st.text(st.characters()))
def test_equal_texts_are_equal_values(one: str, other: str) -> None:
    assert SecretValue(one) == SecretValue(one)
    assert (SecretValue(one) == SecretValue(other)) is (one == other)
    assert SecretValue(one).is_empty is (not one)


def test_half_a_surrogate_pair_compares_without_an_error_that_would_quote_it() -> None:
    assert SecretValue("a\ud800") == SecretValue("a\ud800")
    assert SecretValue("a\ud800") != SecretValue("a")


def test_it_never_equals_its_text() -> None:
    assert SecretValue(SECRET) != SECRET
    assert SecretValue(SECRET) != SECRET


def test_it_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        {SecretValue(SECRET)}


class TestInModels:
    model = Credentials(api_key=SecretValue(SECRET), more=(SecretValue(SECRET),))

    def test_reprs_and_dumps_show_the_mask(self) -> None:
        told = [
            repr(self.model),
            str(self.model),
            repr(self.model.model_dump()),
            repr(self.model.model_dump(mode="json", by_alias=True)),
            self.model.model_dump_json(),
            repr(self.model.model_copy(deep=True)),
            repr(list(self.model)),
        ]
        assert not [each for each in told if SECRET in each]
        assert json.loads(self.model.model_dump_json(by_alias=True))["apiKey"] == "**********"
        assert self.model.model_copy(deep=True).api_key.reveal() == SECRET

    @pytest.mark.parametrize("mode", ["validation", "serialization"])
    def test_the_json_schema_asks_for_a_password_and_gives_away_no_default(
        self, mode: JsonSchemaMode
    ) -> None:
        schema = Credentials.model_json_schema(mode=mode)
        assert SECRET not in json.dumps(schema, ensure_ascii=False)
        field = schema["properties"]["apiKey"]
        assert (field["type"], field["format"], field["writeOnly"]) == ("string", "password", True)

    def test_wire_values_and_wrapped_values_are_taken(self) -> None:
        parsed = Credentials.model_validate_json(json.dumps({"apiKey": SECRET}))
        assert parsed.api_key.reveal() == SECRET
        assert Credentials(api_key=SecretValue(SECRET)) == parsed

    @pytest.mark.parametrize("given", [5, None, [SECRET], {"x": SECRET}, True, SECRET.encode()])
    def test_what_is_no_text_is_refused_without_quoting_it(self, given: object) -> None:
        with pytest.raises(ValidationError) as told:
            Credentials.model_validate({"apiKey": given})
        [problem] = told.value.errors(include_input=False)
        assert problem["loc"] == ("apiKey",)
        assert problem["msg"] == "Input should be a valid string"
        assert "hunter2" not in str(told.value)
        assert "hunter2" not in repr(told.value)

    def test_errors_of_other_fields_do_not_quote_it(self) -> None:
        with pytest.raises(ValidationError) as told:
            Credentials.model_validate({"apiKey": SECRET, "userName": 5, "what": SECRET})
        assert SECRET not in str(told.value)

    def test_it_is_masked_in_any_other_model_too(self) -> None:
        class Plain(BaseModel):
            maybe: SecretValue | None = None
            by_name: dict[str, SecretValue] = {}

        plain = Plain(maybe=SecretValue(SECRET), by_name={"a": SecretValue(SECRET)})
        assert SECRET not in plain.model_dump_json()
        assert plain.maybe is not None
        assert plain.maybe.reveal() == SECRET


def test_an_exception_that_carries_it_shows_nothing() -> None:
    @dataclass
    class Holder:
        value: SecretValue

    error = ValueError("bad", Holder(SecretValue(SECRET)))
    assert SECRET not in str(error) + repr(error)
