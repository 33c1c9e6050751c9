"""The error that commands end with, and how it is shown to people and to programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from secretsync.cli.exit_codes import ExitCode
from secretsync.cli.text import printable


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks a rule.

    Attributes:
        field: path of the field in the request, e.g. `secret_sync.source.environment`.
        description: the rule, and how to keep it.
    """

    field: str
    description: str


@dataclass(eq=False)
class CliError(Exception):
    """A command cannot do what was asked. Never holds a secret value.

    Attributes:
        message: one sentence for people.
        code: the exit code.
        status: name of the gRPC status, e.g. `NOT_FOUND`; empty if no call failed.
        reason: the google.rpc.ErrorInfo reason, e.g. `RESOURCE_IN_USE`; may be empty.
        metadata: the google.rpc.ErrorInfo metadata.
        violations: every violated field.
        retry_after: seconds after which another try makes sense, if the server said so.
        hint: what to do next; may be empty.
    """

    message: str
    code: ExitCode = ExitCode.FAILED
    status: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()
    retry_after: float | None = None
    hint: str = ""

    def __str__(self) -> str:
        return self.message

    def as_text(self) -> str:
        """Return the block that people see on stderr."""
        message = self.message
        if self.violations:
            # The server's message repeats the violations; a line for each reads better.
            first = self.violations[0]
            head = message.partition(f"{first.field}: {first.description}")[0]
            message = head.rstrip(" :") or message
        lines = [f"secretsync: error: {printable(message)}"]
        lines += [
            f"  {printable(violation.field)}: {printable(violation.description)}"
            for violation in self.violations
        ]
        if self.reason:
            lines.append(f"reason: {printable(self.reason)}")
        lines += [
            f"{printable(key.replace('_', ' '))}: {printable(value)}"
            for key, value in sorted(self.metadata.items())
        ]
        if self.retry_after is not None:
            lines.append(f"retry after: {self.retry_after:g} s")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints on stderr: one object with the single member `error`."""
        error: dict[str, Any] = {"exitCode": int(self.code), "message": self.message}
        if self.status:
            error["status"] = self.status
        if self.reason:
            error["reason"] = self.reason
        if self.metadata:
            error["metadata"] = dict(self.metadata)
        if self.violations:
            error["violations"] = [
                {"field": violation.field, "description": violation.description}
                for violation in self.violations
            ]
        if self.retry_after is not None:
            error["retryAfterSeconds"] = self.retry_after
        if self.hint:
            error["hint"] = self.hint
        return {"error": error}


def invalid(message: str, *, hint: str = "") -> CliError:
    """Return the error for input that cannot be used."""
    return CliError(message, code=ExitCode.INVALID, hint=hint)


def from_click(error: click.ClickException) -> CliError:
    """Return click's complaint about the command line in this project's form."""
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"`{error.ctx.command_path} --help` shows what is accepted"
    return CliError(error.format_message(), code=ExitCode.INVALID, hint=hint)
