"""The adapter that the documentation shows works, and keeps the rules that it tells of."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from secretsync.adapter import (
    AuthenticationFailed,
    DesiredSecret,
    InvalidConfig,
    LedgerEntry,
    RemoveRequest,
    RunResult,
    SecretValue,
    SyncRequest,
    ValidateRequest,
)
from secretsync.domain.problems import Violations
from secretsync.registry import Registry

PAGE = Path(__file__).parents[3] / "docs/how-to/write-an-adapter.md"
RIGHT = "right"


class JsonServer:
    """A web server that keeps JSON documents; stands in for one at the edge of the network."""

    def __init__(self, document: dict[str, str]) -> None:
        self.document = document
        self.methods: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.methods.append(request.method)
        if request.headers["Authorization"] != f"Bearer {RIGHT}":
            return httpx.Response(401)
        if request.method == "PUT":
            self.document = json.loads(request.content)
        return httpx.Response(200, json=self.document)


def documented_adapter() -> ModuleType:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    module = ModuleType("secretsync_json_document")
    exec(compile(code, "write-an-adapter.md", "exec"), vars(module))  # noqa: S102
    return module


class Runs:
    """Calls the documented adapter through the registry, and keeps its ledger as the engine does.

    Args:
        server: what it writes to.
    """

    def __init__(self, server: JsonServer) -> None:
        self.registry = Registry()
        self.registry.register(documented_adapter(), "json-document")
        self.server = server
        self.ledger: tuple[LedgerEntry, ...] = ()
        self.intents: list[LedgerEntry] = []

    def parts(self, token: str) -> dict[str, Any]:
        violations = Violations()
        credentials = {"url": "https://documents.example", "token": token}
        return {
            "credentials": self.registry.parse_credentials(
                "json-document", "token", credentials, "credentials", violations
            ),
            "config": self.registry.parse_config(
                "json-document", {"document": "app"}, "config", violations
            ),
            "http": httpx.AsyncClient(transport=httpx.MockTransport(self.server)),
            "clock": lambda: datetime.now(UTC),
            "logger": logging.LoggerAdapter(logging.getLogger(__name__)),
        }

    async def record_intent(self, entries: Sequence[LedgerEntry]) -> None:
        self.intents = list(entries)

    def run_parts(self, claimed: dict[str, str] | None = None) -> dict[str, Any]:
        return {
            **self.parts(RIGHT),
            "ledger": self.ledger,
            "claimed_by_others": claimed or {},
            "digest": lambda identity, value: f"{identity} {len(value.reveal())}",
            "record_intent": self.record_intent,
            "report_progress": lambda *_: None,
        }

    async def sync(self, values: dict[str, str], claimed: dict[str, str] | None = None) -> str:
        desired = tuple(
            DesiredSecret(key=key, name=key, value=SecretValue(value))
            for key, value in values.items()
        )
        request = SyncRequest(**self.run_parts(claimed), desired=desired)
        return self.told(await self.registry.sync("json-document", request))

    async def remove(self) -> str:
        request = RemoveRequest(**self.run_parts())
        return self.told(await self.registry.remove("json-document", request))

    def told(self, result: RunResult) -> str:
        self.ledger = result.ledger
        return ", ".join(f"{each.name} {each.action}" for each in result.keys)


async def test_the_documented_adapter_writes_what_is_ours_and_leaves_the_rest() -> None:
    server = JsonServer({"theirs": "x"})
    runs = Runs(server)
    assert await runs.sync({"A": "1", "B": "2"}) == "A created, B created"
    assert server.document == {"theirs": "x", "A": "1", "B": "2"}
    assert await runs.sync({"A": "1", "B": "2"}) == "A unchanged, B unchanged"
    assert server.methods == ["GET", "PUT", "GET", "GET"]
    assert await runs.sync({"A": "3"}) == "A updated, B deleted"
    assert await runs.remove() == "A deleted"
    assert server.document == {"theirs": "x"}


async def test_the_documented_adapter_knows_after_a_crash_what_it_has_created() -> None:
    server = JsonServer({"mine?": "theirs"})
    runs = Runs(server)
    await runs.sync({"A": "1"})
    (intent,) = runs.intents
    runs.ledger = (intent, replace(intent, name="mine?", identity="mine?"))
    assert await runs.remove() == "A deleted"
    assert server.document == {"mine?": "theirs"}


async def test_the_documented_adapter_respects_other_syncs_and_tells_of_a_wrong_token() -> None:
    runs = Runs(JsonServer({}))
    with pytest.raises(InvalidConfig, match="Other syncs own A"):
        await runs.sync({"A": "1"}, claimed={"A": "projects/shop/secretSyncs/other"})
    proof = await runs.registry.validate("json-document", ValidateRequest(**runs.parts(RIGHT)))
    assert proof.summary == "https://documents.example"
    with pytest.raises(AuthenticationFailed):
        await runs.registry.validate("json-document", ValidateRequest(**runs.parts("wrong")))
