"""Random histories of a variable set that three syncs and other people write to."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from octopus_edits import (
    KEYS,
    MOSTLY,
    SCHEMAS,
    SYNC_SCOPES,
    Edit,
    Mishap,
    deaths,
    edits,
    mishaps,
    types,
)
from octopus_runs import RunningStory

from secretsync.domain.entities import RunAction

RUNS_BETWEEN = 5
"""Runs before the next quiet point, at least: what is unsettled is to meet other things first."""
which = st.sampled_from([0, 0, 1, 2])
environments = st.sampled_from(["dev", "dev", "prod"])
changes = st.one_of(
    st.tuples(st.just("key schema"), st.sampled_from(SCHEMAS)),
    st.tuples(st.just("scope"), st.sampled_from(sorted(SYNC_SCOPES))),
    st.sampled_from([("deletion", ""), ("all", "")]),
)


class History(RunningStory, RuleBasedStateMachine):
    """One story, told at random, to its quiet end."""

    @initialize(start=st.lists(edits, max_size=4), secrets=st.sets(st.sampled_from(KEYS[1:4])))
    def begin(self, start: list[Edit], secrets: set[str]) -> None:
        self.do(self._begin(start, sorted(secrets)))

    @rule(
        environment=environments,
        key=st.sampled_from(MOSTLY),
        kind=st.sampled_from(["plain", "plain", "template", "empty"]),
        comment=st.sampled_from(["", "", "a comment"]),
    )
    def set_secret(self, environment: str, key: str, kind: str, comment: str) -> None:
        self.do(self._set(environment, key, kind, comment))

    @rule(environment=environments, number=st.integers(0, 5))
    def delete_secret(self, environment: str, number: int) -> None:
        self.do(self._delete_secret(environment, number))

    @rule(which=which, change=changes)
    def change_sync(self, which: int, change: tuple[str, str]) -> None:
        self.do(self._change_sync(which, *change))

    @rule(changes=st.lists(edits, min_size=1, max_size=3))
    def somebody_edits(self, changes: list[Edit]) -> None:
        for edit in changes:
            self._edited(edit)

    @rule(edit=edits)
    def somebody_edits_a_row_of_ours(self, edit: Edit) -> None:
        known = {
            row_id
            for one in self.subjects
            for row_id in [
                *(entry.row_id for entry in one.memory.mine.values()),
                *one.memory.unsettled,
            ]
        }
        self._edited(edit, known)

    @rule(which=which, key=st.sampled_from(MOSTLY), kind=types, number=st.integers(0, 5))
    def somebody_makes_what_a_sync_could_want(
        self, which: int, key: str, kind: str, number: int
    ) -> None:
        one = self.subjects[which]
        self._edited(Edit("add", number, one.name_of(key), one.scope(), kind))

    @rule(which=which)
    def sync(self, which: int) -> None:
        self.do(self._run(self.subjects[which], RunAction.SYNC, []))

    @rule(which=which, mishaps=st.lists(mishaps, min_size=1, max_size=3))
    def sync_with_mishaps(self, which: int, mishaps: list[Mishap]) -> None:
        self.do(self._run(self.subjects[which], RunAction.SYNC, mishaps))

    @rule(which=which, mishaps=st.lists(mishaps, max_size=1), death=deaths)
    def sync_and_die(self, which: int, mishaps: list[Mishap], death: Mishap) -> None:
        self.do(self._run(self.subjects[which], RunAction.SYNC, [*mishaps, death]))

    @rule(which=which, death=deaths, number=st.integers(0, 5), edit=st.none() | st.none() | edits)
    def sync_dies_and_a_secret_goes(
        self, which: int, death: Mishap, number: int, edit: Edit | None
    ) -> None:
        one = self.subjects[which]
        self.do(self._run(one, RunAction.SYNC, [death]))
        if edit:
            self._edited(edit)
        self.do(self._delete_secret(one.sync.environment, number))

    @rule(which=which, mishaps=st.lists(mishaps | deaths, max_size=2))
    def remove(self, which: int, mishaps: list[Mishap]) -> None:
        self.do(self._run(self.subjects[which], RunAction.REMOVE, mishaps))

    @precondition(lambda self: self.runs_since_quiet >= RUNS_BETWEEN)
    @rule()
    def quiet_point(self) -> None:
        self.do(self._settle())

    def teardown(self) -> None:
        """Let everything come to rest, and check it; then make room for the next history."""
        if self.subjects:
            if not self.is_broken:
                self.do(self._settle())
            self.runner.run(self._clear())
