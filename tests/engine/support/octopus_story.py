"""A variable set that three syncs and other people write to: what is done there, step by step."""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from octopus_edits import SCHEMAS, SYNC_SCOPES, Edit
from octopus_rules import Identity, Memory, identity, identity_of
from octopus_stack import MARK, Eavesdropper, Stack

from secretsync.domain.entities import RunAction, SecretSync, SyncOptions, SyncRun

if TYPE_CHECKING:
    from octopus_wire import Json


@dataclass
class Secret:
    """A secret at the source; `stored` is what Octopus is to store for its value."""

    stored: str
    comment: str


@dataclass
class Subject:
    """A sync, and all that is known of it."""

    sync: SecretSync
    memory: Memory = field(default_factory=Memory)
    action: RunAction = RunAction.SYNC

    def scope(self) -> dict[str, list[str]]:
        """Return the scope of its variables as Octopus has it."""
        given = self.sync.destination_config["scopeValues"]
        kinds = {"environments": "Environment", "roles": "Role"}
        return {kinds[kind]: ids for kind, ids in given.items()}

    def name_of(self, key: str) -> str:
        """Return the name that its key schema makes."""
        schema = self.sync.options.key_schema or "{{secretKey}}"
        named = schema.replace("{{secretKey}}", key)
        return named.replace("{{environment}}", self.sync.environment)

    def prefix(self) -> str | None:
        """Return what names must begin with to be deleted by its first run."""
        options = self.sync.options
        if self.sync.initialized or not options.key_schema:
            return None
        return self.name_of("")


def parsed(text: str) -> Identity:
    """Return an identity as the ledger has it in the form that the rules have."""
    found = json.loads(text)
    return identity_of(found["name"], found["scope"])


class Story:
    """One variable set from its beginning, and all that is known of it.

    Attributes:
        stack: what everything runs in; shared by all stories.
        runner: the event loop.
        ear: listens to what is logged.
        tally: what has happened in all stories so far.
    """

    stack: ClassVar[Stack]
    runner: ClassVar[asyncio.Runner]
    ear: ClassVar[Eavesdropper]
    tally: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.subjects: list[Subject] = []
        self.secrets: dict[str, dict[str, Secret]] = {"dev": {}, "prod": {}}
        self.rows: list[Json] = []
        self.cut_short: tuple[Subject, SyncRun] | None = None
        self.marks = 0
        self.project = ""
        self.tally["sequences"] += 1

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        """Carry out a step; what it finds wrong ends the history."""
        try:
            self.runner.run(work)
        except BaseException as error:
            self.is_broken = True
            wire = self.stack.wire
            error.add_note(f"the last run's requests: {wire.methods}, faults: {wire.used}")
            raise

    def mark(self) -> str:
        """Return a value that nobody has used before."""
        self.marks += 1
        return f"{MARK}-{self.marks}"

    async def _begin(self, start: list[Edit], secrets: Sequence[str]) -> None:
        self.project = await self.stack.new_project()
        self.stack.wire.wrong.clear()
        self.stack.wire.begin(None, {})
        for number, environment, scope, options in (
            (0, "dev", "dev", SyncOptions()),
            (1, "dev", "prod", SyncOptions(key_schema=SCHEMAS[1])),
            (2, "prod", "dev", SyncOptions(disable_secret_deletion=True)),
        ):
            uid = f"{self.project}-s{number}"
            sync = await self.stack.add_sync(
                self.project, uid, environment, SYNC_SCOPES[scope], options
            )
            self.subjects.append(Subject(sync))
        for one in start:
            self._edited(one)
        for key in secrets:
            await self._set("dev", key, "plain", "")

    async def _set(self, environment: str, key: str, kind: str, comment: str) -> None:
        mark = self.mark()
        value, stored = {
            "plain": (f" {mark}\r\n\u00fc", f" {mark}\r\n\u00fc"),
            "template": (f"{mark} #{{Alpha}}", f"{mark} ##{{Alpha}}"),
            "empty": ("", ""),
        }[kind]
        await self.stack.set_secret(self.project, environment, key, value, comment)
        self.secrets[environment][key] = Secret(stored, comment)

    async def _delete_secret(self, environment: str, number: int) -> None:
        held = self.secrets[environment]
        if held:
            key = sorted(held)[number % len(held)]
            del held[key]
            await self.stack.delete_secret(self.project, environment, key)

    async def _change_sync(self, which: int, what: str, wanted: str) -> None:
        one = self.subjects[which]
        options = one.sync.options
        self.tally[f"change: {what}"] += 1
        match what:
            case "key schema":
                await self._change(one, options=replace(options, key_schema=wanted))
            case "scope":
                config = {**one.sync.destination_config, "scopeValues": SYNC_SCOPES[wanted]}
                await self._change(one, destination_config=config)
            case "deletion":
                disabled = not options.disable_secret_deletion
                await self._change(one, options=replace(options, disable_secret_deletion=disabled))
            case "all":
                await self._anew(which)

    async def _change(self, one: Subject, **changes: Any) -> None:  # noqa: ANN401
        one.sync = replace(one.sync, version=one.sync.version + 1, **changes)
        await self.stack.store.write(lambda tx: tx.syncs.update(one.sync))

    async def _anew(self, which: int) -> None:
        old = self.subjects[which].sync
        if self.cut_short and self.cut_short[0] is self.subjects[which]:
            self.cut_short = None
        await self.stack.store.write(lambda tx: tx.syncs.delete(old.uid))
        sync = replace(old, uid=f"{old.uid}x", initialized=False)
        await self.stack.store.write(lambda tx: tx.syncs.insert(sync))
        self.subjects[which] = Subject(sync)

    def _edited(self, edit: Edit, ids: Collection[str] = ()) -> None:
        target = self.stack.wire.variable_set
        before = {row["Id"]: row for row in self.rows}
        based_on = target.version
        edit.apply(target, self.mark(), ids)
        self.rows = self.stack.wire.rows()
        self.tally[f"edit: {edit.kind}"] += 1
        made = [row for row in self.rows if before.get(row["Id"]) != row and row["IsSensitive"]]
        for one in self.subjects:
            memory = one.memory
            memory.is_clear = False
            expected = {
                each for version, new in memory.unsent if version == based_on for each in new
            }
            memory.perhaps |= {
                row["Id"]: identity(row) for row in made if identity(row) in expected
            }
