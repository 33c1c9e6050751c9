"""The documentation says what the code does: complete where it lists, right where it links."""

import inspect
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from secretsync import adapter
from secretsync.adapter import (
    AdapterError,
    hookspecs,
)
from secretsync.cli.exit_codes import MEANINGS
from secretsync.cli.serve import serve
from secretsync.domain import meanings
from secretsync.domain.meanings import Condition
from secretsync.domain.problems import Reason
from secretsync.settings import Settings
from secretsync.v1 import (
    connection_service_pb2,
    error_reason_pb2,
    pause_pb2,
    project_service_pb2,
    secret_service_pb2,
    secret_sync_service_pb2,
)
from secretsync_octopus_deploy import plugin
from secretsync_octopus_deploy.config import OctopusConfig, ScopeValues
from secretsync_octopus_deploy.credentials import ApiKeyCredentials, OidcCredentials
from secretsync_octopus_deploy.discovery import OPTION_LISTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PROTOS = (
    project_service_pb2,
    secret_service_pb2,
    connection_service_pb2,
    secret_sync_service_pb2,
    error_reason_pb2,
    pause_pb2,
)
HOOKS = {
    name: hook
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, f"{adapter.PROJECT_NAME}_spec")
}


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def reference(name: str) -> str:
    return text_of(REFERENCE / f"{name}.md")


def section(text: str, title: str) -> str:
    """Return the part of a page below a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {title!r}"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of the tables in a text by each name in their first cells."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| "):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            for name in re.findall(r"`([^`]+)`", cells[0]):
                found[name] = [cell.strip() for cell in cells]
    return found


# What the reference lists


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_documented_with_its_signature(name: str) -> None:
    hook = HOOKS[name]
    text = section(reference("hooks"), name)
    parameters = ", ".join(
        f"{each.name}: {each.annotation.__name__}"
        for each in inspect.signature(hook).parameters.values()
    )
    result = inspect.signature(hook).return_annotation.__name__
    start = "async def" if inspect.iscoroutinefunction(hook) else "def"
    assert f"{start} {name}({parameters}) -> {result}\n" in text


@pytest.mark.parametrize(
    "name",
    [name for name in adapter.__all__ if is_dataclass(getattr(adapter, name))],
)
def test_each_field_of_requests_and_results_is_documented(name: str) -> None:
    documented = rows(section(reference("hooks"), name))
    assert set(documented) == {field.name for field in fields(getattr(adapter, name))}


def test_each_error_of_adapters_is_documented() -> None:
    documented = rows(section(reference("hooks"), "Errors"))
    errors = {each.__name__: each for each in AdapterError.__subclasses__()}
    assert set(documented) == set(errors)
    for name, error in errors.items():
        assert documented[name][1] == ("yes" if error.transient else "no"), name
        own = set(inspect.signature(error).parameters) - {"message", "hint"}
        assert set(re.findall(r"`(\w+)`", documented[name][2])) == own, name


def test_each_public_name_of_the_adapter_package_is_documented() -> None:
    text = reference("hooks") + text_of(DOCS / "how-to/write-an-adapter.md")
    missing = [name for name in adapter.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == ["PROJECT_NAME", "hookspec"]  # for the registry, not for authors


@pytest.mark.parametrize("script", ["api_docs.py", "cli_docs.py"])
def test_generated_pages_are_current(script: str) -> None:
    command = [sys.executable, str(ROOT / ".ci" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_method_message_field_and_value_of_the_api_is_documented() -> None:
    text = reference("api")
    for proto in PROTOS:
        for service in proto.DESCRIPTOR.services_by_name.values():
            assert f"## {service.name}\n" in text
            for method in service.methods:
                assert section(text, f"{service.name}.{method.name}").count("\n") > 3, method.name
        for message in proto.DESCRIPTOR.message_types_by_name.values():
            documented = rows(section(text, message.name))
            assert list(documented) == [field.name for field in message.fields], message.name
            assert all(cells[2] for cells in documented.values()), message.name
        for enum in proto.DESCRIPTOR.enum_types_by_name.values():
            documented = rows(section(text, enum.name))
            assert list(documented) == [value.name for value in enum.values], enum.name
            assert all(cells[2] for cells in documented.values()), enum.name


def test_each_reason_is_documented() -> None:
    prefix = "ERROR_REASON_"
    names = [name.removeprefix(prefix) for name in error_reason_pb2.ErrorReason.keys()]  # noqa: SIM118
    names.remove("UNSPECIFIED")
    documented = rows(reference("errors").partition("## Exit codes")[0])
    assert [name for name in documented if name in names] == names
    assert set(names) == {reason.value for reason in Reason}


def test_each_condition_is_documented_with_its_reasons() -> None:
    documented = rows(reference("conditions"))
    assert [name for name in documented if name in Condition.__members__] == list(Condition)
    for condition in Condition:
        named = set(re.findall(r"`(\w+)`", documented[condition][1]))
        assert named == {
            reason
            for reason, meaning in meanings.MEANINGS.items()
            if meaning.condition is condition
        }, condition


def test_each_exit_code_is_documented() -> None:
    table = section(reference("errors"), "Exit codes")
    assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == [str(int(code)) for code in MEANINGS]


def test_each_setting_is_documented_with_its_option_default_and_limits() -> None:
    documented = rows(reference("settings").partition("## Limits")[0])
    options = {param.name: param.opts[0] for param in serve.params}
    for name, field in Settings.model_fields.items():
        cells = documented[name]
        assert cells[1] == f"`{options[name]}`", name
        if isinstance(field.default, int | float | str):
            shown = f"{field.default:g}" if isinstance(field.default, float) else field.default
            assert cells[2] == f"`{shown}`", name
        for bound in field.metadata:
            for limit in (getattr(bound, "ge", None), getattr(bound, "le", None)):
                assert limit is None or f"{limit:g}" in cells[3].split() or str(limit) in cells[3]
    variables = {name for name in documented if name.isupper()}
    assert variables == {"XDG_DATA_HOME", *re.findall(r"SECRETSYNC_[A-Z_]+", sources())}


def sources() -> str:
    """Return all Python code that a user runs."""
    found = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in found if "_pb2" not in path.name)


def wire_names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_each_field_of_octopus_deploy_is_documented() -> None:
    text = reference("octopus-deploy")
    models = {"api-key": ApiKeyCredentials, "oidc": OidcCredentials}
    assert plugin.destination().credential_models == models
    for method, model in models.items():
        connection = section(text, f"Connection: method `{method}`")
        assert set(rows(connection)) == wire_names(model)
    documented = set(rows(section(text, "Sync: configuration")))
    assert documented == wire_names(OctopusConfig) | wire_names(ScopeValues)
    assert set(rows(section(text, "Lists of choices"))) == {each.name for each in OPTION_LISTS}


def test_each_test_that_a_fact_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", reference("octopus-facts")))
    tests = [*(ROOT / "plugins").glob("*/tests/**/test_*.py"), *(ROOT / "tests").rglob("test_*.py")]
    present = set(re.findall(r"def (test_\w+)", "\n".join(text_of(path) for path in tests)))
    assert named
    assert named <= present, named - present


def requirements() -> dict[str, set[str]]:
    """Return the names of all requirements by the heading that they are documented below."""
    core = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    plugin = tomllib.loads(text_of(ROOT / "plugins/octopus-deploy/pyproject.toml"))

    def names(*groups: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9_-]", each)[0] for group in groups for each in group}

    own = plugin["project"]
    return {
        "secretsync": names(core["project"]["dependencies"]),
        "secretsync-octopus-deploy": names(own["dependencies"]) - {"secretsync"},
        "The sandbox": names(*own["optional-dependencies"].values()),
        "Tests": names(core["dependency-groups"]["test"]),
        "Checks": names(core["dependency-groups"]["check"]),
        "Builds": names(core["build-system"]["requires"], plugin["build-system"]["requires"]),
    }


@pytest.mark.parametrize("heading", requirements())
def test_each_dependency_has_its_reason(heading: str) -> None:
    documented = rows(section(text_of(DOCS / "explanation/dependencies.md"), heading))
    assert set(documented) == requirements()[heading]
    assert all(len(cells[1]) > 20 for cells in documented.values())
