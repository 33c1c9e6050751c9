"""No secret value and no credential shows up anywhere but where somebody asked for it."""

import base64
import contextlib
import io
import logging
import re
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from recording_destination import Recorder
from refusals import parse_refusal
from service_kit import CONNECTION, DEV, SHOP, SYNC, TOKEN, Service, struct

from secretsync import logs
from secretsync.adapter import AuthenticationFailed
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

VALUES = {
    "PLAIN": "S3nt1nelValueOne",
    "LINES": "S3nt1nelValueTwo\nsecond line \u00e4 \U0001f511",
    "OCTO": "#{S3nt1nelValueThree}",
    "JSON": '{"password": "S3nt1nelValueFour"}',
}
CHANGED = "S3nt1nelValueFive"
WRONG_KEY = "API-S3NT1NELWRONGKEY"
OCTOPUS = f"{SHOP}/secretSyncs/octopus"


def needles(*sentinels: str) -> set[bytes]:
    """Return what betrays a sentinel: itself, and the usual encodings of it."""
    found = set()
    for sentinel in sentinels:
        # The part that stays as it is in JSON, in a repr and in a URL.
        core = max(re.findall("[A-Za-z0-9-]+", sentinel), key=len)
        data = core.encode()
        found |= {data, data.hex().encode(), core.encode("utf-16-le")}
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + data)
            # The ends depend on what stands beside it.
            found.add(coded[4:-4])
    assert min(map(len, found)) > 6
    return found


@contextlib.contextmanager
def debug_log() -> Iterator[io.StringIO]:
    """Set the log up as `serve --log-level debug` does it, and return what is logged."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    quiet = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "hpack")}
    # Out of the way of a set-up that closes the handlers it finds.
    root.handlers.clear()
    logs.configure("debug")
    text = io.StringIO()
    root.addHandler(logging.StreamHandler(text))
    try:
        yield text
    finally:
        root.handlers[:], level, logging.raiseExceptions = before
        root.setLevel(level)
        for name, its_level in quiet.items():
            logging.getLogger(name).setLevel(its_level)


class Told:
    """All that a client was told."""

    def __init__(self) -> None:
        self.text = ""

    async def note(self, call: Awaitable[Any]) -> Any:  # noqa: ANN401
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            self.text += f"{parse_refusal(error)} {error.trailing_metadata()!r} {error!r}\n"
            return None
        self.text += f"{answer} {answer!r}\n"
        return answer


async def connections(service: Service, sandbox: Sandbox, told: Told) -> None:
    """Connect, rightly and wrongly, in every way that shows a key to the code."""

    def octopus(slug: str, key: object, url: str = sandbox.base_url) -> Awaitable[Any]:
        return service.connect(
            slug,
            destination="octopus-deploy",
            method="api-key",
            credentials={"instanceUrl": url, "apiKey": key},
        )

    await told.note(octopus("octopus", sandbox.api_key))
    await told.note(octopus("wrong", WRONG_KEY))
    await told.note(octopus("wrong", f"{WRONG_KEY}\u00e4"))
    await told.note(octopus("wrong", [sandbox.api_key]))
    await told.note(octopus("Wrong", WRONG_KEY, f"https://user:{WRONG_KEY}@octopus.example"))
    await told.note(octopus("wrong", WRONG_KEY, "http://127.0.0.1:1"))
    for fault in ("cut_connection", "truncated_json", "empty_body", "expired_key"):
        sandbox.fault(fault)
        await told.note(octopus("wrong", sandbox.api_key))
    sandbox.fault("status", status=500, message=f"Octopus says {sandbox.api_key}")
    await told.note(octopus("wrong", sandbox.api_key))
    sandbox.fault("redirect", location="https://elsewhere.example/")
    await told.note(octopus("wrong", sandbox.api_key))
    changed = connection_pb.Connection(
        name=f"{SHOP}/connections/octopus",
        credentials=struct({"instanceUrl": sandbox.base_url, "apiKey": sandbox.read_only_api_key}),
    )
    update = connection_pb.UpdateConnectionRequest(connection=changed, request_id="one")
    for validate_only in (True, False):
        update.validate_only = validate_only
        await told.note(service.connections.UpdateConnection(update))
    changed.credentials.update({"apiKey": sandbox.api_key})
    update = connection_pb.UpdateConnectionRequest(connection=changed)
    await told.note(service.connections.UpdateConnection(update))
    for request in (
        connection_pb.ListConnectionOptionsRequest(name=changed.name, option_list="spaces"),
        connection_pb.ListConnectionOptionsRequest(
            name=changed.name, option_list="projects", parameters={"spaceId": "Spaces-9"}
        ),
    ):
        await told.note(service.connections.ListConnectionOptions(request))


async def secrets(service: Service, told: Told) -> None:
    """Set secrets, rightly and wrongly."""
    await told.note(service.put(VALUES))
    given = [secret_pb.Secret(key="PLAIN", value=CHANGED)]
    request = secret_pb.SetSecretsRequest(parent=DEV, secrets=given, request_id="one")
    for _ in range(2):
        await told.note(service.secrets.SetSecrets(request))
    request.secrets[0].value += CHANGED
    await told.note(service.secrets.SetSecrets(request))
    await told.note(service.put({"PLAIN": CHANGED, "bad/key": CHANGED}))
    await told.note(service.put({"PLAIN": CHANGED * 5000}))
    await told.note(service.secrets.ListSecrets(secret_pb.ListSecretsRequest(parent=DEV)))


async def runs(service: Service, sandbox: Sandbox, told: Told) -> None:
    """Run syncs, rightly and wrongly."""
    await told.note(
        service.add_sync(
            "octopus",
            connection=f"{SHOP}/connections/octopus",
            destination_config=struct({"spaceId": "Spaces-1", "projectId": "Projects-2"}),
            is_auto_sync_enabled=False,
        )
    )
    echo = {"message": f"cannot store {CHANGED} or {VALUES['LINES']} or {sandbox.api_key}"}
    faults: list[tuple[str, dict[str, Any]]] = [
        ("status", {"status": 400, **echo}),
        ("status", {"status": 500, **echo}),
        ("version_conflict", {}),
        ("cut_connection", {"after": True}),
        ("truncated_json", {}),
        ("read_only", {}),
    ]
    for kind, fields in faults:
        sandbox.fault(kind, method="PUT", **fields)
        # Octopus knows values as they are sent; this is one of them.
        await service.put({"PLAIN": CHANGED, "NEW": f"{CHANGED} at {len(told.text)}"})
        await told.note(service.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=OCTOPUS)))
        await told.note(service.syncs.CheckDestination(pb.CheckDestinationRequest(name=OCTOPUS)))
        await told.note(service.trigger(OCTOPUS))
        sandbox.clear_faults()
    done = await told.note(service.trigger(OCTOPUS))
    assert done.state == pb.RUN_STATE_SUCCEEDED
    await told.note(service.sync(OCTOPUS))


async def odd_plugin(service: Service, told: Told) -> None:
    """Let a plugin put all it knows into exceptions."""
    recorder = service.recorder
    await told.note(service.connect())
    await told.note(service.add_sync())
    await service.quiet()
    knows = f"{TOKEN} {CHANGED} {VALUES}"
    for hook in ("sync", "remove", "plan", "validate", "discover"):
        recorder.failures[hook] = [RuntimeError(knows)]
    await told.note(service.syncs.PlanSecretSync(pb.PlanSecretSyncRequest(name=SYNC)))
    await told.note(service.trigger(SYNC))
    await told.note(service.remove(SYNC))
    validate = connection_pb.ValidateConnectionRequest(name=CONNECTION)
    await told.note(service.connections.ValidateConnection(validate))
    options = connection_pb.ListConnectionOptionsRequest(name=CONNECTION, option_list="places")
    await told.note(service.connections.ListConnectionOptions(options))
    recorder.failures["validate"] = [AuthenticationFailed("Wrong.")]
    await told.note(service.connections.ValidateConnection(validate))
    for hook, request in recorder.requests:
        told.text += f"{hook} {request!r} {request!s}\n"


async def test_nothing_leaks(
    service: Service,
    recorder: Recorder,
    sandbox: Sandbox,
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = Told()
    traced: list[str] = []
    manager = service.server.app.registry._manager
    manager.trace.root.setwriter(traced.append)
    manager.enable_tracing()
    with debug_log() as log:
        await service.add_project()
        await connections(service, sandbox, told)
        await secrets(service, told)
        await runs(service, sandbox, told)
        await odd_plugin(service, told)
        files = read_files(service.data_dir)
        deletion = pb.DeleteSecretSyncRequest(name=OCTOPUS, remove_secrets=True)
        await told.note(service.syncs.DeleteSecretSync(deletion))
    out, err = capfd.readouterr()

    # Had nothing been looked at, nothing would have been found.
    assert "validate" in "".join(traced)
    assert "SyncRequest(" in "".join(traced)
    assert "SyncRequest(" in told.text
    assert "PlanRequest(" in told.text
    assert "CHANGE_KIND_UPDATE" in told.text
    assert "unexpected error" in log.getvalue()
    assert "PUT" in log.getvalue()
    assert "unexpected error" in err
    assert {"secretsync.db", "secretsync.db-wal", "secretsync.key"} <= files.keys()
    assert recorder.held["web"]
    everywhere = {
        "answers": told.text.encode(),
        "log": log.getvalue().encode(),
        "trace": "".join(traced).encode(),
        "stdout": out.encode(),
        "stderr": err.encode(),
        **files,
        **{f"{name} at the end": data for name, data in read_files(service.data_dir).items()},
    }
    sentinels = needles(
        *VALUES.values(),
        CHANGED,
        WRONG_KEY,
        TOKEN,
        sandbox.api_key,
        sandbox.read_only_api_key,
    )
    for where, data in everywhere.items():
        assert {needle for needle in sentinels if needle in data} == set(), where


def read_files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def raise_and_log() -> None:
    try:
        raise RuntimeError(CHANGED)
    finally:
        logging.getLogger("secretsync").error("something went wrong")


def test_a_log_that_cannot_be_written_tells_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with debug_log():
        closed = io.StringIO()
        logging.getLogger().addHandler(logging.StreamHandler(closed))
        closed.close()
        with contextlib.suppress(RuntimeError):
            raise_and_log()
    _, err = capfd.readouterr()
    assert "something went wrong" in err
    assert CHANGED not in err


async def test_the_needles_are_sharp(shop: Service) -> None:
    """What is looked for would be found: the same search finds a value that was asked for."""
    await shop.put(VALUES)
    shown = str(await shop.values()).encode()
    for value in VALUES.values():
        assert any(needle in shown for needle in needles(value))
        coded = base64.b64encode(b"xx" + value.encode() + b"xx")
        assert any(needle in coded for needle in needles(value))
