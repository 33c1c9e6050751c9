"""Rows and sets: identity, and sending back what was read byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from octopus_kit import row, set_text, variable_set

from secretsync.adapter import SecretValue, Unsupported
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.rows import Row, WrittenRow, fold, identity_of
from secretsync_octopus_deploy.variable_set import VariableSet

ODD_ROW = (
    '{"Id" : "x-1","Name":"Rate","Value":"1","Type":"String", "Scope":{"New":["b","a"],"Env":[]},'
    '"Number":1.10, "Huge":123456789012345678901234567890,"Precise":0.1000000000000000055511151,'
    '"Exp":1E400,"Text":"caf\\u00e9 \\ud800","Twice":1,"Twice":2,\n"Nested":{"a":[1.50,{}]} }'
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def as_row(fields: dict[str, object]) -> Row:
    return Row.parse(json.dumps(fields), fields)


def test_the_identity_is_the_folded_name_and_the_scope_without_order() -> None:
    text = '{"name":"DB.PASSWORD","scope":{"Environment":["Environments-1","Environments-2"]}}'
    scope = {"Environment": ["Environments-2", "Environments-1"], "Role": []}

    assert as_row(row("DB.Password", Scope=scope)).identity == text
    assert identity_of("db.PASSWORD", {"Environment": ["Environments-1", "Environments-2"]}) == text


def test_unknown_kinds_of_scope_are_part_of_the_identity() -> None:
    plain = as_row(row("A"))

    assert as_row(row("A", Scope=None)).identity == plain.identity
    assert as_row(row("A", Scope={"ParentDeployment": ["x"]})).identity != plain.identity
    assert as_row(row("A", Scope={"New": 5})).identity != plain.identity
    assert as_row(row("A", Scope={"New": [{"a": 1}]})).identity != plain.identity
    assert as_row(row("A", Scope={"New": [None]})).identity == plain.identity


def test_a_row_without_type_is_known_by_its_flag() -> None:
    assert as_row({"Name": "A", "IsSensitive": True}).is_sensitive
    assert as_row({"Name": "A", "IsSensitive": False}).type == "String"


def test_foreign_rows_are_sent_back_byte_for_byte() -> None:
    text = set_text([row("A"), row("B")])
    document = text.replace('"Variables": [', f'"Variables": [ {ODD_ROW} ,', 1)

    current = VariableSet.parse(document)
    sent = current.render(current.rows)

    assert ODD_ROW in sent
    assert [row.name for row in current.rows] == ["Rate", "A", "B"]
    assert json.loads(sent) == json.loads(document)


def test_our_own_row_keeps_what_we_do_not_know() -> None:
    written = WrittenRow.revised(
        Row.parse(ODD_ROW, json_text.load(ODD_ROW)),
        name="RATE",
        value=SecretValue("new"),
        comment="why",
    )

    sent = written.render()

    for kept in ('"Number":1.10', '"Precise":0.1000000000000000055511151', '"Exp":1E400'):
        assert kept in sent
    assert '"Nested":{"a":[1.50,{}]}' in sent
    fields = json.loads(sent)
    assert (fields["Id"], fields["Name"], fields["Value"]) == ("x-1", "RATE", "new")
    assert (fields["Type"], fields["IsSensitive"]) == ("Sensitive", True)
    assert fields["Description"] == "why"
    assert fields["Scope"] == {"New": ["b", "a"], "Env": []}


def test_values_show_in_no_repr() -> None:
    secret = SecretValue("sentinel-value")
    rows = (
        WrittenRow.new("A", {}, secret, ""),
        WrittenRow.revised(as_row(row("A")), name="A", value=secret, comment=""),
        as_row(row("A", Type="String", Value="sentinel-value")),
        variable_set(row("A", Type="String", Value="sentinel-value")),
    )

    assert "sentinel" not in repr(rows)


@pytest.mark.parametrize("value", [None, ""])
def test_a_sensitive_row_without_id_and_value_is_never_sent(value: str | None) -> None:
    current = variable_set(row("A"), row("B", Id=None, Value=value))

    with pytest.raises(Unsupported, match="would have emptied"):
        current.render(current.rows)


def test_a_row_of_ours_that_would_be_emptied_is_never_sent() -> None:
    written = WrittenRow.revised(as_row(row("A", Id=None)), name="A", value=None, comment="")

    with pytest.raises(Unsupported, match="would have emptied"):
        variable_set().render([written])


def test_a_text_row_without_id_may_be_sent() -> None:
    current = variable_set(row("A", Id=None, Type="String"))

    assert json.loads(current.render(current.rows))["Variables"][0]["Name"] == "A"


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_taking_an_object_apart_alters_nothing(value: dict[str, object]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        parts = json_text.members(text)
        assert [name for name, _ in parts] == list(value)
        assert all(part in text for _, part in parts)
        assert json_text.load(json_text.join_members(parts)) == json_text.load(text)


@given(st.lists(json_values, max_size=6))
def test_taking_an_array_apart_alters_nothing(value: list[object]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t")):
        assert [json.loads(part) for part, _ in json_text.elements(text)] == value
        assert [parsed for _, parsed in json_text.elements(text)] == json_text.load(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "7",
        '{"Variables":{},"Version":1}',
        '{"Variables":[]}',
        '{"Variables":[],"Version":"1"}',
        '{"Variables":[],"Version":true}',
        '{"Variables":[],"Version":-1}',
        '{"Variables":[],"Version":' + "9" * 5000 + "}",
        '{"Variables":[7],"Version":1}',
        '{"Variables":[',
        "[" * 200_000,
    ],
)
def test_what_is_no_variable_set(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        VariableSet.parse(text)


def test_scope_values_are_read_tolerantly() -> None:
    odd = {"Environments": [{"Id": "E-1"}, {"Name": "x"}, 7], "Roles": None}

    current = variable_set(scope_values=odd)

    assert current.scope_values is not None
    assert [(one.id, one.name) for one in current.scope_values["Environments"]] == [("E-1", "E-1")]
    assert "Roles" not in current.scope_values
    assert variable_set(scope_values=None).scope_values is None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("DB.Password", "db.pASSWORD", True),
        ("\u00c4\u03a9\u0416", "\u00e4\u03c9\u0436", True),
        ("stra\u00dfe", "STRASSE", False),
        ("\ufb01le", "FILE", False),
        ("\u212a", "K", False),
        ("\u212a", "k", False),
        ("\u0131", "I", False),
        ("\u0130", "I", False),
        ("\u0130", "i", False),
        ("\u017f", "S", False),
        ("i", "I", True),
    ],
)
def test_names_are_folded_one_character_for_one(one: str, other: str, *, is_same: bool) -> None:
    assert (fold(one) == fold(other)) is is_same
    assert len(fold(one)) == len(one)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Id", [1]),
        ("Id", 7),
        ("Name", 7),
        ("Name", {}),
        ("Scope", "odd"),
        ("Scope", []),
        ("Type", 1),
        ("Type", ["Sensitive"]),
        ("IsSensitive", "true"),
    ],
)
def test_what_is_no_variable(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"the {field} of a variable is not what Octopus sends"):
        as_row(row("A", **{field: value}))


def test_a_row_that_says_both_that_it_is_text_and_sensitive_is_never_sent_empty() -> None:
    current = variable_set(row("A", Id=None, Type="String", IsSensitive=True))

    with pytest.raises(Unsupported):
        current.render(current.rows)


def test_half_a_surrogate_pair_is_sent_back_as_it_came_and_not_shown() -> None:
    current = variable_set(row("A\ud800", Type="String", Value="v"))

    assert '"Name":"A\\ud800"' in current.render(current.rows).replace(" ", "")
    assert current.rows[0].label == "A\ufffd"


def test_a_text_with_too_many_objects_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MAX_OBJECTS", 3)

    assert json_text.load("[{}, {}, {}]") == [{}, {}, {}]
    with pytest.raises(ValueError, match="more than 3 objects"):
        json_text.load("[{}, {}, {}, {}]")


def test_a_very_long_name_is_cut_off_where_it_is_shown() -> None:
    fields = {"Name": "n" * 100_000, "Type": "Sensitive", "IsSensitive": True}
    found = Row.parse(json.dumps(fields), fields)

    assert found.label == "n" * 200 + "..."
    assert found.name == "n" * 100_000
