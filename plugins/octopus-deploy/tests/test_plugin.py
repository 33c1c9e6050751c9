"""The plugin as the service finds it, and that no secret leaves it by any side door."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import io
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from typing import Any

import pluggy
import pytest
from octopus_kit import Engine, desired_of, digest, no_intents, no_progress

from secretsync.adapter import (
    PROJECT_NAME,
    AdapterError,
    Capability,
    DiscoverRequest,
    LedgerEntry,
    RemoveRequest,
    SyncRequest,
    ValidateRequest,
    hookspecs,
)
from secretsync_octopus_deploy import plugin
from secretsync_octopus_deploy.config import SCOPE_KINDS
from secretsync_octopus_deploy.rows import identity_of
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]

SENTINEL = "sentinel-value-7f3a"


def test_the_plugin_implements_the_hooks_as_they_are_specified() -> None:
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, "octopus-deploy")

    manager.check_pending()
    assert {caller.name for caller in manager.get_hookcallers(plugin) or []} == {
        "destination",
        "validate",
        "sync",
        "remove",
        "discover",
        "plan",
    }


def test_it_describes_itself() -> None:
    info = plugin.destination()

    assert info.name == "octopus-deploy"
    assert info.capabilities == {Capability.DISCOVER, Capability.PLAN}
    assert info.name_identity("DB.Password") == info.name_identity("db.PASSWORD")
    assert info.name_identity("stra\u00dfe") != info.name_identity("STRASSE")
    # The first is the one that the command line takes.
    assert list(info.credential_models) == ["api-key", "oidc"]
    assert [one.name for one in info.option_lists] == [
        "spaces",
        "projects",
        "libraryVariableSets",
        *SCOPE_KINDS,
        "libraryEnvironments",
        "libraryRoles",
        "libraryMachines",
        "libraryTenantTags",
    ]


def test_the_entry_point_is_the_plugin() -> None:
    (found,) = [one for one in entry_points(group=PROJECT_NAME) if one.name == "octopus-deploy"]

    assert found.load() is plugin


FAULTS: list[dict[str, Any]] = [
    {},
    {"kind": "cut_connection", "method": "PUT"},
    {"kind": "cut_connection", "method": "PUT", "after": True},
    {"kind": "cut_connection", "method": "GET", "skip": 1},
    {"kind": "version_conflict"},
    {"kind": "expired_key"},
    {"kind": "rate_limit"},
    {"kind": "truncated_json"},
    {"kind": "redirect", "location": "https://elsewhere.example.com"},
    {"kind": "status", "status": 500},
    {
        "kind": "status",
        "status": 400,
        "body": "given",
        "text": json.dumps({"ErrorMessage": f"The value {SENTINEL} is odd."}),
        "method": "PUT",
    },
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_no_secret_leaves_by_log_trace_result_or_exception(
    sandbox: Sandbox,
    engine: EngineFactory,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, Any],
) -> None:
    mine = engine()
    output = io.StringIO()
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, "octopus-deploy")
    manager.trace.root.setwriter(output.write)
    manager.enable_tracing()

    with caplog.at_level(logging.DEBUG):
        for call in _all_hooks(manager.hook, mine):
            if fault:
                sandbox.fault(**fault)
            try:
                output.write(repr(await call()))
            except AdapterError as error:
                output.writelines(traceback.format_exception(error))
                output.write(repr(error) + repr(error.__context__) + repr(vars(error)))
            sandbox.clear_faults()

    text = output.getvalue() + caplog.text
    assert "sync [hook]" in text
    assert "PUT" in caplog.text or fault.get("kind") not in {None, "version_conflict"}
    assert SENTINEL not in text
    assert mine.credentials.api_key.reveal() not in text


def _all_hooks(hook: Any, mine: Engine) -> list[Callable[[], Awaitable[object]]]:
    """Return calls of every hook through pluggy, with secrets in every value."""
    run: dict[str, Any] = {
        **mine.carried(),
        "config": mine.config,
        "digest": digest,
        "record_intent": no_intents,
        "report_progress": no_progress,
    }
    values = {"A": SENTINEL, "B": f"{SENTINEL}#{{x}}", "C": ""}
    entry = LedgerEntry(key="A", name="A", identity=identity_of("A", {}), remote_id="x", digest="d")
    return [
        lambda: hook.validate(request=ValidateRequest(config=mine.config, **mine.carried())),
        lambda: hook.sync(request=SyncRequest(desired=desired_of(values), ledger=(), **run)),
        lambda: hook.sync(
            request=SyncRequest(desired=desired_of({"A": SENTINEL}), ledger=(), **run)
        ),
        lambda: hook.remove(request=RemoveRequest(ledger=(entry,), **run)),
        lambda: hook.discover(request=DiscoverRequest(option_list="spaces", **mine.carried())),
    ]
