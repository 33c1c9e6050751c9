"""Values on their way to the deployment: what the server stores, and what it evaluates to."""

from collections.abc import Callable

import pytest
from octopus_kit import SET_ID, Engine, actions, config_of
from octostache_oracle import evaluate

from secretsync.adapter import RunResult
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]

PLAIN = {
    "EMPTY": "",
    "BLANK": "   ",
    "SPACES": "  both ends \t ",
    "LF": "one\ntwo\n",
    "CRLF": "one\r\ntwo\r\n",
    "CR": "one\rtwo\r",
    "MIXED": "\n\r\n\n one\n\r two \r\n\t",
    "PEM": "-----BEGIN KEY-----\r\nMIIB/+=\r\n-----END KEY-----\r\n",
    "UNICODE": "p\u00e4ssw\u00f6rd \N{SNOWMAN} \N{PILE OF POO} \u5bc6\u7801",
    "COMPOSED": "\u00e9",
    "DECOMPOSED": "e\u0301",
    "INVISIBLE": "\ufeffa\u200b\u200db\u202ec\u2028d\u2029e\u00a0",
    "CONTROL": "\x00 \x01 \x1b[2J \x7f \x85",
    "QUOTED": "a \"quoted\" 'value' with \\ and \\u0041 and {braces}",
    "JSON": '{"a": [1, null, "\\n"]}',
    "LITERAL": "null",
    "NUMBER": "007",
    "HASHES": "# ## ### #a {x} }# $x ${x} %x% $(x)",
    "LONG": "x" * 65536,
}
EXPRESSIONS = {
    "EXPRESSION": "#{Octopus.Environment.Name}",
    "TWO": "a#{b}c#{d}",
    "ESCAPED": "##{x}",
    "THREE": "###{x}",
    "CONDITIONAL": "#{if x}a#{/if}",
    "OPEN": "#{",
}


def stored(sandbox: Sandbox) -> dict[str, str]:
    """Return the values as the server has them."""
    return {one["Name"]: one["Value"] for one in sandbox.inspect(SET_ID)["Variables"]}


def reasons(result: RunResult) -> dict[str, str]:
    """Return the reason per name."""
    return {one.name: one.reason for one in result.keys}


async def test_what_the_source_holds_is_what_a_deployment_sees(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    values = {**PLAIN, **EXPRESSIONS}
    # Every value is also written over another one, and over an empty one.
    shifted = dict(zip(values, [*list(values.values())[1:], ""], strict=True))
    mine = engine()

    for wanted in (values, shifted, values):
        await mine.sync(wanted)

        found = stored(sandbox)
        assert {name: evaluate(value) for name, value in found.items()} == wanted
        untouched = {name for name, value in wanted.items() if "#{" not in value}
        assert {name: found[name] for name in untouched} == {
            name: wanted[name] for name in untouched
        }
        sandbox.clear_requests()
        assert set(actions(await mine.sync(wanted)).values()) == {"unchanged"}
        assert [one.method for one in sandbox.requests()] == ["GET"]


async def test_a_run_shows_which_values_were_escaped(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    first = await mine.sync({"A": "#{x} and more", "B": "plain text"})
    second = await mine.sync({"A": "#{y} and more", "B": "plain text"})

    note = "#{ in its value is escaped"
    assert reasons(first) == {"A": note, "B": ""}
    assert reasons(second) == {"A": f"its value was changed; {note}", "B": ""}
    assert first.warnings == second.warnings == ()
    assert stored(sandbox) == {"A": "##{y} and more", "B": "plain text"}


async def test_values_pass_through_if_asked_for_and_the_run_says_so(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    secrets = {"A": "#{x} and more", "B": "##{x} and more", "C": "plain text"}
    mine = engine(octostache="passthrough")

    result = await mine.sync(secrets)

    assert stored(sandbox) == secrets
    (warning,) = result.warnings
    assert "Octopus evaluates #{...} in these values at deployment" in warning
    assert warning.endswith("octostache: passthrough asks for: KEY_A, KEY_B.")
    assert set(reasons(result).values()) == {""}


async def test_a_change_of_the_mode_writes_the_values_that_it_concerns(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    secrets = {"A": "#{x} and more", "C": "plain text"}
    mine = engine()
    await mine.sync(secrets)

    mine.config = config_of(octostache="passthrough")
    assert actions(await mine.sync(secrets)) == {"A": "updated", "C": "unchanged"}
    assert stored(sandbox)["A"] == "#{x} and more"

    mine.config = config_of(octostache="escape")
    assert actions(await mine.sync(secrets)) == {"A": "updated", "C": "unchanged"}
    assert stored(sandbox)["A"] == "##{x} and more"


@pytest.mark.parametrize(
    ("value", "is_told"), [("", False), ("x", True), ("\u00e4\u00f6\u00fc", True), ("1234", False)]
)
async def test_values_that_octopus_does_not_mask_are_told(
    sandbox: Sandbox, engine: EngineFactory, value: str, *, is_told: bool
) -> None:
    mine = engine()

    # The warning stays as long as the value does, whether it is written or not.
    for _ in range(2):
        found = (await mine.sync({"A": value, "B": "long enough"})).warnings
        wanted = (
            "Octopus does not mask values of three characters or fewer in deployment logs: KEY_A.",
        )
        assert found == (wanted if is_told else ())
        assert value == "" or value not in "".join(found).replace(wanted[0], "")
    assert stored(sandbox)["A"] == value
