"""The exit codes of the command line."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code says; `secretsync --help` shows the same list."""

    OK = 0
    FAILED = 1
    INVALID = 2
    NOT_FOUND = 3
    CONFLICT = 4
    DENIED = 5
    UNAVAILABLE = 6
    TIMED_OUT = 7
    INTERRUPTED = 130


PLAN_HAS_CHANGES = 2
"""What `sync plan` and `sync check-drift` alone exit with if there is something to do. So that
nobody takes an error for that, all errors of these exit with `ExitCode.FAILED`, wrong usage
included."""

MEANINGS = {
    ExitCode.OK: "all went well",
    ExitCode.FAILED: "a run or operation failed, if only in part, or its output was not written",
    ExitCode.INVALID: "wrong usage or invalid input; of `sync plan` and `sync check-drift`: there"
    " is something to do",
    ExitCode.NOT_FOUND: "something that was named does not exist",
    ExitCode.CONFLICT: "a conflict or an unmet condition: it exists, is in use, was changed",
    ExitCode.DENIED: "not authenticated, or not permitted",
    ExitCode.UNAVAILABLE: "the server, or a destination it called, cannot be reached",
    ExitCode.TIMED_OUT: "timed out; what was started may go on",
    ExitCode.INTERRUPTED: "interrupted, or not confirmed",
}
