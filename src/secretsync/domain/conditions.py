"""What condition a sync is in, in one word, one sentence, and the calls that make sense next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from secretsync.domain import meanings
from secretsync.domain.entities import RunAction, RunState, SecretSync, SyncRun
from secretsync.domain.key_states import KeyState
from secretsync.domain.meanings import MEANINGS, UNKNOWN, Condition, Meaning
from secretsync.domain.pauses import Pause
from secretsync.domain.problems import Reason
from secretsync.domain.retrying import is_scheduled


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The condition of a sync.

    Attributes:
        condition: in one word.
        hint: what is the matter and what to do, one sentence for people; never a value.
        next_actions: methods of the API that make sense now, e.g. `SecretSyncService.SyncSecrets`,
            the likeliest first; empty if there is nothing to do.
    """

    condition: Condition
    hint: str
    next_actions: tuple[str, ...] = ()


_AGAIN = {
    RunAction.SYNC: ("run the sync again", meanings.SYNC),
    RunAction.REMOVE: ("ask for the removal again", meanings.REMOVE),
}
"""How the actions are asked for, whose newest run says what the destination holds."""


_AT_REST = frozenset({Condition.SYNCED, Condition.REMOVED, Condition.DISABLED})
"""What a sync is in while nothing is the matter with it."""


def status_of(
    sync: SecretSync,
    newest: Mapping[RunAction, SyncRun],
    pauses: Sequence[Pause],
    clean_ups: Sequence[Reason | None] = (),
) -> Status:
    """Return the condition that a sync is in.

    Args:
        sync: the sync.
        newest: its newest run of each action, as far as there is one.
        pauses: what holds it, the narrowest first.
        clean_ups: for each place that it has left and that is not clean yet, why the last clean-up
            there failed, None if none did. Default: there is no such place.
    """
    if pauses:
        return _paused(pauses)
    status = _after_check(sync, newest, _after_runs(sync, newest))
    if not clean_ups or status.condition not in _AT_REST:
        return status
    return _unclean(status) if any(clean_ups) else _not_clean_yet(status)


def _after_check(sync: SecretSync, newest: Mapping[RunAction, SyncRun], status: Status) -> Status:
    """Return the condition after the last check for drift, if that could not look."""
    check = newest.get(RunAction.CHECK)
    since = max((newest[action].seq for action in _AGAIN if action in newest), default=0)
    meaning = MEANINGS.get(check.error_reason) if check and check.error_reason else None
    if (
        check is None
        or meaning is None
        or meaning.condition is Condition.CANCELLED
        or check.seq < since
        or status.condition not in {Condition.SYNCED, Condition.DRIFTED}
    ):
        return status
    what, mend = _filled(meaning.what, sync), _filled(meaning.mend, sync)
    return Status(
        condition=meaning.condition,
        hint=f"It could not be seen whether the destination has changed, since {what}: {mend}, then"
        " check again.",
        next_actions=(*meaning.actions, meanings.CHECK),
    )


def _unclean(status: Status) -> Status:
    return Status(
        condition=MEANINGS[Reason.CLEAN_UP_FAILED].condition,
        hint="Secrets could not be removed from a place that the sync was led away from: see why in"
        " former_places, then ask for the clean-up again.",
        next_actions=(meanings.CLEAN_UP, *status.next_actions),
    )


def _not_clean_yet(status: Status) -> Status:
    hint = status.hint.removesuffix(".")
    return replace(
        status,
        hint=f"{hint}; a place that the sync was led away from is not clean yet.",
        next_actions=(*status.next_actions, meanings.CLEAN_UP),
    )


def _after_runs(sync: SecretSync, newest: Mapping[RunAction, SyncRun]) -> Status:
    runs = [newest[action] for action in _AGAIN if action in newest]
    for state, status in _AT_WORK.items():
        for run in runs:
            if run.state is state:
                return status(sync, run)
    last = max(runs, key=lambda run: run.seq, default=None)
    if last and last.state is RunState.AWAITING_APPROVAL:
        return _awaiting_approval(last)
    if last and last.action is RunAction.REMOVE:
        return _after_removal(sync, last)
    return _after_sync(sync, last) if sync.is_enabled else _DISABLED


def _paused(pauses: Sequence[Pause]) -> Status:
    told = " and ".join(pause.told for pause in pauses)
    return Status(
        condition=Condition.PAUSED,
        hint=f"Nothing is written until {told} {'is' if len(pauses) == 1 else 'are'} resumed.",
        next_actions=(meanings.RESUME, meanings.LIST_PAUSES),
    )


def _running(_: SecretSync, __: SyncRun) -> Status:
    return Status(
        condition=Condition.RUNNING,
        hint="A run is under way: wait for its end.",
        next_actions=(meanings.GET_RUN, meanings.CANCEL_RUN),
    )


def _pending(sync: SecretSync, run: SyncRun) -> Status:
    meaning = MEANINGS.get(run.error_reason) if run.error_reason else None
    if meaning is None:
        return Status(
            condition=Condition.PENDING,
            hint="A run waits for its turn and starts by itself.",
            next_actions=(meanings.CANCEL_RUN,),
        )
    if is_scheduled(run):
        # The run before has given up. Somebody may have to mend what it failed with.
        given_up = _failed(sync, meaning, run.action)
        hint = f"{given_up.hint.removesuffix('.')}; otherwise that is done by itself later."
        return replace(given_up, hint=hint)
    return Status(
        condition=_condition(sync, meaning),
        hint=f"{_sentence(meaning.what, sync)}; the run is tried again by itself.",
        next_actions=(*meaning.actions, meanings.CANCEL_RUN),
    )


_AT_WORK = {RunState.RUNNING: _running, RunState.PENDING: _pending}


def _awaiting_approval(run: SyncRun) -> Status:
    return Status(
        condition=Condition.AWAITING_APPROVAL,
        hint="The plan of the last run waits: look at it, then approve it by its fingerprint, or"
        " cancel the run.",
        next_actions=(meanings.GET_RUN, _AGAIN[run.action][1], meanings.CANCEL_RUN),
    )


_DISABLED = Status(
    condition=Condition.DISABLED,
    hint="The sync is disabled, so it does not sync until it is enabled.",
    next_actions=(meanings.UPDATE,),
)


def _after_removal(sync: SecretSync, run: SyncRun) -> Status:
    if run.state is RunState.SUCCEEDED and not _left_alone(sync):
        again = meanings.SYNC if sync.is_enabled else meanings.UPDATE
        return Status(
            condition=Condition.REMOVED,
            hint="What the sync wrote was taken away, and stays so until it syncs again.",
            next_actions=(again, meanings.DELETE),
        )
    return _unfinished(sync, run)


def _after_sync(sync: SecretSync, run: SyncRun | None) -> Status:
    if run and run.state is not RunState.SUCCEEDED:
        return _unfinished(sync, run)
    if run is None or not sync.initialized:
        return Status(
            condition=Condition.NEVER_SYNCED,
            hint="Nothing was synced to this place yet: run the sync.",
            next_actions=(meanings.SYNC,),
        )
    drifted = sync.key_counts.get(KeyState.DRIFTED, 0)
    if drifted:
        return Status(
            condition=Condition.DRIFTED,
            hint=f"{_keys(drifted)} changed at the destination since, or may have: run the sync to"
            " write what the source holds.",
            next_actions=(meanings.SYNC, meanings.LIST_KEYS),
        )
    if _left_alone(sync) and not sync.options.disable_secret_deletion:
        return _unfinished(sync, run)
    hint = "The destination holds what the source held when the last run read it"
    if sync.is_auto_sync_enabled:
        return Status(condition=Condition.SYNCED, hint=f"{hint}.")
    return Status(
        condition=Condition.SYNCED,
        hint=f"{hint}; auto-sync is off, so changes at the source wait for another run.",
        next_actions=(meanings.SYNC,),
    )


def _unfinished(sync: SecretSync, run: SyncRun) -> Status:
    """Return the condition after a run that did not do all it had to do."""
    if run.state is RunState.SUCCEEDED:
        again, retry = _AGAIN[run.action]
        return Status(
            condition=Condition.BLOCKED,
            hint=f"{_keys(_left_alone(sync))} could not be touched at the destination: see why,"
            f" then {again}.",
            next_actions=(meanings.LIST_KEYS, retry),
        )
    return _failed(sync, MEANINGS.get(run.error_reason or Reason.INTERNAL, UNKNOWN), run.action)


def _failed(sync: SecretSync, meaning: Meaning, action: RunAction) -> Status:
    """Return the condition after a run that failed, or succeeded in part."""
    again, retry = _AGAIN[action]
    return Status(
        condition=_condition(sync, meaning),
        hint=f"{_sentence(meaning.what, sync)}: {_filled(meaning.mend, sync)}, then {again}.",
        next_actions=(*meaning.actions, retry),
    )


def _condition(sync: SecretSync, meaning: Meaning) -> Condition:
    """Return the condition that a reason means; where keys failed, some may have been written."""
    if meaning.condition is Condition.PARTIALLY_SYNCED and not sync.key_counts.get(KeyState.SYNCED):
        return Condition.BLOCKED
    return meaning.condition


def _left_alone(sync: SecretSync) -> int:
    return sync.key_counts.get(KeyState.SKIPPED, 0)


def _keys(count: int) -> str:
    return f"{count} {'key' if count == 1 else 'keys'}"


def _sentence(text: str, sync: SecretSync) -> str:
    filled = _filled(text, sync)
    return f"{filled[0].upper()}{filled[1:]}"


def _filled(text: str, sync: SecretSync) -> str:
    connection = f"projects/{sync.project}/connections/{sync.connection}"
    return text.format(connection=connection, destination=sync.destination)
