"""What every operation works with, and how a change becomes one idempotent transaction."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import httpx

from secretsync.crypto import Vault
from secretsync.domain.names import MAX_REQUEST_ID, text_complaint
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.engine.http import TIMEOUT
from secretsync.engine.protocol import Engine
from secretsync.operations.watchers import Watchers
from secretsync.registry import Registry
from secretsync.store.protocol import StateStore, Transaction

REMEMBER_REQUESTS = timedelta(hours=24)


class Answer(Protocol):
    """An answer that can be kept and given again."""

    def SerializeToString(self) -> bytes:  # noqa: N802  as protobuf calls it
        """Return it as bytes."""
        ...


A = TypeVar("A", bound=Answer)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[A]):
    """How a change was asked for.

    Attributes:
        method: name of the method, e.g. `CreateProject`.
        body: the request in canonical bytes; only a keyed hash of it is kept.
        parse: turns kept bytes back into an answer.
        request_id: makes a repeat safe; empty for none.
        validate_only: check everything and change nothing.
    """

    method: str
    body: bytes
    parse: Callable[[bytes], A]
    request_id: str = ""
    validate_only: bool = False

    def check(self, violations: Violations) -> None:
        """Note what is wrong with the request_id."""
        violations.check("request_id", text_complaint(self.request_id, MAX_REQUEST_ID))


class _DryRunError(Exception):
    """Rolls a transaction back and carries what it would have answered."""

    def __init__(self, answer: Any) -> None:  # noqa: ANN401
        super().__init__("validate_only")
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts that operations work with.

    Attributes:
        store: the state store.
        engine: runs syncs.
        registry: the destinations.
        vault: encrypts and decrypts.
        clock: returns the present time.
        http_timeout: limits of a single request to a destination.
        call_timeout: seconds that a call to a destination outside of runs may take in all.
        watchers: the streams that are open.
    """

    store: StateStore
    engine: Engine
    registry: Registry
    vault: Vault
    clock: Callable[[], datetime]
    http_timeout: httpx.Timeout = field(default_factory=lambda: TIMEOUT)
    call_timeout: float = 120.0
    watchers: Watchers = field(default_factory=Watchers)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a snapshot of the store."""
        return await self.store.read(work)

    async def replay(self, call: Call[A]) -> A | None:
        """Return the first answer to a repeated request, or None if this is the first.

        Raises:
            Problem: INVALID_ARGUMENT, if request_id was used for another request.
        """
        return await self.store.read(lambda tx: self._replay(tx, call))

    async def mutate(self, call: Call[A], work: Callable[[Transaction], A]) -> A:
        """Run a change in one transaction, once per request_id, and wake the engine.

        Args:
            call: how it was asked for.
            work: makes the change and returns the answer.

        Raises:
            Problem: what `work` raises, with a wrong request_id among its violations; see `replay`.
        """

        def body(tx: Transaction) -> A:
            earlier = self._replay(tx, call)
            if earlier is not None:
                return earlier
            with _joining(call):
                answer = work(tx)
            if call.validate_only:
                raise _DryRunError(answer)
            if call.request_id:
                now = self.clock()
                tx.idempotency.prune(now - REMEMBER_REQUESTS)
                tx.idempotency.save(
                    call.method,
                    call.request_id,
                    self.vault.fingerprint(tx, call.body),
                    answer.SerializeToString(),
                    now,
                )
            return answer

        try:
            answer = await self.store.write(body)
        except _DryRunError as dry_run:
            would_be: A = dry_run.answer
            return would_be
        self.engine.wake()
        return answer

    def _replay(self, tx: Transaction, call: Call[A]) -> A | None:
        if not call.request_id or call.validate_only:
            return None
        earlier = tx.idempotency.find(call.method, call.request_id)
        if earlier is None:
            return None
        fingerprint, answer = earlier
        if fingerprint != self.vault.fingerprint(tx, call.body):
            _reused()
        return call.parse(answer)


@contextlib.contextmanager
def _joining(call: Call[Any]) -> Generator[None]:
    """Report what is wrong with a call's request_id together with the rest of its violations."""
    violations = Violations()
    call.check(violations)
    try:
        yield
    except Problem as problem:
        if problem.reason is Reason.INVALID_FIELDS:
            for violation in problem.violations:
                violations.add(violation.field, violation.description)
        violations.raise_if_any()
        raise
    violations.raise_if_any()


def _reused() -> NoReturn:
    raise Problem(
        Code.INVALID_ARGUMENT,
        Reason.REQUEST_ID_REUSED,
        "request_id: was used for a different request within 24 hours: use a new one",
    )
