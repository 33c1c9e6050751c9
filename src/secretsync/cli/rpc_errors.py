"""Turns a failed gRPC call into the error that the user sees."""

from typing import cast

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from secretsync.cli.errors import CliError, Violation
from secretsync.cli.exit_codes import ExitCode

_EXIT_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.INVALID,
    grpc.StatusCode.OUT_OF_RANGE: ExitCode.INVALID,
    grpc.StatusCode.NOT_FOUND: ExitCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.CONFLICT,
    grpc.StatusCode.ABORTED: ExitCode.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: ExitCode.CONFLICT,
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.DENIED,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.DENIED,
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.TIMED_OUT,
}
# What grpc says itself when no connection came about; a server's own words never begin so.
_NO_CONNECTION = ("failed to connect to all addresses", "DNS resolution failed")


def from_rpc(error: grpc.RpcError, address: str, timeout: float) -> CliError:
    """Return the error for a failed call.

    Args:
        error: what the call raised.
        address: where the server was expected, HOST:PORT.
        timeout: seconds that the call was given.
    """
    # What a stub raises is a Call too; grpc's types do not say so.
    call = cast("grpc.Call", error)
    code = call.code()
    message = call.details() or code.name
    shown = CliError(message, _EXIT_CODES.get(code, ExitCode.FAILED), status=code.name)
    _add_details(shown, call)
    if shown.reason:
        return shown
    # Without a reason it is grpc itself that speaks, not a service.
    if code is grpc.StatusCode.UNAVAILABLE and message.startswith(_NO_CONNECTION):
        shown.message = f"no secretsync server at {address}"
        shown.hint = "start one with `secretsync serve`, or set --address"
    elif code is grpc.StatusCode.UNAVAILABLE:
        shown.message = f"the server at {address} is not available: {message}"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        shown.message = f"no answer from {address} within {timeout:g} s"
        shown.hint = "what was asked for may still be carried out; --timeout allows more time"
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        shown.message = f"the server at {address} does not know this method: {message}"
        shown.hint = "is it a secretsync server, and of this version?"
    return shown


def _add_details(shown: CliError, call: grpc.Call) -> None:
    """Add the google.rpc details that came with the failure."""
    from grpc_status import rpc_status  # noqa: PLC0415 -- slow to import, and rarely needed

    try:
        status = rpc_status.from_call(call)
    except ValueError:
        # The details disagree with the status: not from a server of ours.
        return
    if status is None:
        return
    for detail in status.details:
        info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
        if detail.Unpack(info):
            shown.reason = info.reason
            shown.metadata = dict(info.metadata)
        elif detail.Unpack(bad_request):
            shown.violations = [
                Violation(violation.field, violation.description)
                for violation in bad_request.field_violations
            ]
        elif detail.Unpack(retry):
            shown.retry_after = retry.retry_delay.ToNanoseconds() / 1e9
