"""What stands between an attempt and the destination: once it has stopped one, it stays shut."""

from datetime import UTC, datetime

import pytest

from secretsync.adapter import (
    AdapterModel,
    Capability,
    ChangeKind,
    DesiredSecret,
    DestinationInfo,
    PlannedChange,
    PlanResult,
    SecretValue,
)
from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Problem, Reason
from secretsync.engine.gate import Gate, UnconfirmedWriteError
from secretsync.engine.report import RunReport
from secretsync.engine.work import Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INFO = DestinationInfo(
    name="memory",
    title="Memory",
    description="For tests.",
    config_model=AdapterModel,
    credential_models={"key": AdapterModel},
    target_key=lambda _config, _instance: "x",
    name_identity=str.casefold,
    capabilities=frozenset({Capability.PLAN}),
)
SYNC = SecretSync(
    uid="y",
    project_uid="p",
    project="shop",
    slug="main",
    destination="memory",
    connection_uid="c",
    connection="main",
    environment_uid="e",
    environment="dev",
    destination_config={},
    target_key="x",
    create_time=NOW,
    update_time=NOW,
)
WORK = Work(
    action=RunAction.SYNC,
    sync=SYNC,
    paced_as="c",
    credentials=None,
    config=None,
    desired=(DesiredSecret(key="K", name="K", value=SecretValue("1234")),),
    ledger=(),
    claimed_by_others={},
    known_versions=frozenset(),
    written_from={},
    digest=lambda *_: "",
    plan_digest=lambda *_: "0" * 64,
)
RUN = SyncRun(
    uid="r",
    sync_uid="y",
    sync_name=SYNC.name,
    action=RunAction.SYNC,
    trigger=RunTrigger.MANUAL,
    create_time=NOW,
    not_before=NOW,
)
HARMLESS = PlanResult(changes=(PlannedChange(key="K", name="K", kind=ChangeKind.CREATE),))
WIPE = PlanResult(
    changes=tuple(
        PlannedChange(key=f"K{number}", name=f"K{number}", kind=ChangeKind.DELETE)
        for number in range(9)
    )
)


async def test_an_adapter_that_goes_on_after_it_was_stopped_gets_no_further() -> None:
    report = RunReport()
    gate = Gate(RUN, WORK, INFO, report, lambda: NOW)
    with pytest.raises(UnconfirmedWriteError):
        gate.check_confirmed()
    await gate.confirm(HARMLESS)
    gate.check_confirmed()
    with pytest.raises(Problem) as stopped:
        await gate.confirm(WIPE)
    assert stopped.value.reason is Reason.GUARD_TRIPPED
    assert "Nothing was changed. Mend the source" in stopped.value.message
    with pytest.raises(UnconfirmedWriteError):
        gate.check_confirmed()


async def test_what_may_have_been_written_before_is_told() -> None:
    gate = Gate(RUN, WORK, INFO, RunReport(write_announced=True), lambda: NOW)
    with pytest.raises(Problem, match="A write of this run that came to no result may have taken"):
        await gate.confirm(WIPE)
