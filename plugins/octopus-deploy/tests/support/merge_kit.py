"""A variable set in memory that runs are made against, and any starting set and syncs for it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from octopus_kit import LIBRARY, SCOPE_VALUES, SET_ID, config_of, removal_request, sync_request

from secretsync.adapter import LedgerEntry
from secretsync_octopus_deploy import merge, octostache
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.plan import Plan
from secretsync_octopus_deploy.rows import Row, canonical_scope, identity_of
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet as StoredSet
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.verify import verify

Json = dict[str, Any]
SCOPES: list[dict[str, list[str]]] = [
    {},
    {"environments": ["Environments-1"]},
    {"environments": ["Environments-2", "Environments-1"]},
    {"environments": ["Environments-1"], "roles": ["web-server"]},
    {"tenantTags": ["Regions/us-east"]},
    {"environments": ["Environments-1"], "tenantTags": ["Tier/Gold", "Regions/us-east"]},
]
PLACES: list[Json] = [{}, LIBRARY]
NAMES = ["Alpha", "ALPHA", "alpha", "Beta", "beta.x", "Gamma", "straße", "STRASSE"]

row_scopes = st.sampled_from(
    [
        {},
        {"Environment": []},
        {"Environment": ["Environments-1"]},
        {"Environment": ["Environments-1", "Environments-2"]},
        {"Environment": ["Environments-1"], "Role": ["web-server"]},
        {"Environment": ["Environments-1"], "NewKindOfScope": ["x"]},
        {"TenantTag": ["Regions/us-east"]},
        {"TenantTag": ["Regions/us-east", "Tier/Gold"], "Environment": ["Environments-1"]},
    ]
)


def _possible(row: Json) -> Json:
    """Take the prompt away where the server would refuse it."""
    return row if set(row["Scope"]) <= {"Environment"} else {**row, "Prompt": None}


starting_rows = st.lists(
    st.fixed_dictionaries(
        {
            "Name": st.sampled_from(NAMES),
            "Scope": row_scopes,
            "Value": st.none() | st.text(max_size=5),
            "Type": st.sampled_from(
                ["Sensitive", "Sensitive", "Sensitive", "String", "String", "Certificate"]
            ),
            "IsEditable": st.booleans(),
            "Prompt": st.none() | st.just({"Label": "x", "Required": True}),
            "Description": st.none() | st.text(max_size=5),
        },
        optional={"Notes": st.integers() | st.floats(allow_nan=False, allow_infinity=False)},
    ).map(_possible),
    max_size=10,
)
# Keys differ only after folding if at all, so that few draws are refused for their names.
secrets = st.dictionaries(
    st.sampled_from(["Alpha", "Beta", "beta.X", "gamma", "Strasse", "Delta"]),
    st.sampled_from(["", "x", "value", "#{Alpha}", "##{b}", "line\r\nline"]),
    max_size=5,
)
wishes = st.tuples(st.sampled_from(SCOPES), secrets)
places = st.sampled_from(PLACES)


@dataclass
class Syncing:
    """One sync and what is remembered of it."""

    scope: dict[str, list[str]]
    secrets: Mapping[str, str]
    place: Json = field(default_factory=dict)
    ledger: tuple[LedgerEntry, ...] = ()

    def config(self) -> OctopusConfig:
        """Return its configuration."""
        return config_of(self.scope, **self.place)

    def wanted(self) -> dict[str, tuple[str, str]]:
        """Return name and stored value per identity."""
        keys = {"environments": "Environment", "roles": "Role", "tenantTags": "TenantTag"}
        scope = canonical_scope({keys[kind]: ids for kind, ids in self.scope.items()})
        return {
            identity_of(name, scope): (name, octostache.escape(value))
            for name, value in self.secrets.items()
        }


class Server:
    """The sandbox's variable set, used the way a run uses a server."""

    def __init__(self, rows: Sequence[Json]) -> None:
        self.stored = StoredSet(SET_ID, "Projects-2", "Spaces-1")
        self.stored.replace({"Variables": rows})

    def read(self) -> VariableSet:
        """Return the set as a GET would."""
        document = {
            "Id": SET_ID,
            "Version": self.stored.version,
            "Variables": [row.shown for row in self.stored.rows],
            "ScopeValues": SCOPE_VALUES,
        }
        return VariableSet.parse(json.dumps(document))

    def contents(self) -> list[tuple[str, Json]]:
        """Return identity and fields of each row, with its stored value."""
        return [(Row.parse("", row.shown).identity, row.revealed()) for row in self.stored.rows]

    def others(self, identities: Iterable[str]) -> list[Json]:
        """Return the rows of other identities, in order."""
        ours = set(identities)
        return [fields for identity, fields in self.contents() if identity not in ours]

    def values(self, identities: Iterable[str]) -> list[tuple[str, str, str]]:
        """Return identity, name and stored value of the rows of these identities."""
        ours = set(identities)
        return sorted(
            (identity, fields["Name"], fields["Value"])
            for identity, fields in self.contents()
            if identity in ours
        )

    def sync(self, one: Syncing, other: Syncing, *, is_trusted: bool = True) -> None:
        """Run a sync beside another."""
        request = sync_request(
            one.secrets,
            config=one.config(),
            ledger=one.ledger,
            known=[self.stored.version] if is_trusted else [],
            claimed_by_others={entry.identity: "syncs/other" for entry in other.ledger},
        )
        plan = merge.plan_sync(self.read(), request, Unconfirmed())
        one.ledger = self.carry_out(plan)

    def remove(self, one: Syncing, other: Syncing) -> None:
        """Run a removal beside another sync."""
        claimed = {entry.identity: "syncs/other" for entry in other.ledger}
        request = removal_request(one.ledger, config=one.config(), claimed_by_others=claimed)
        one.ledger = self.carry_out(merge.plan_removal(self.read(), request, Unconfirmed()))

    def carry_out(self, plan: Plan) -> tuple[LedgerEntry, ...]:
        """Write what a plan says, and return the ledger after it."""
        before = self.read()
        ids: Mapping[str, str] = {}
        if plan.is_changed:
            self.stored.replace(json.loads(before.render(plan.rows)))
            verdict = verify(before, plan, self.read())
            assert (verdict.problems, verdict.warnings, verdict.is_only_change) == ((), (), True)
            ids = verdict.ids
        return plan.ledger(self.read().version_text, ids)

    def tamper(self, one: Syncing, number: int) -> None:
        """Let somebody else overwrite the value of one of a sync's rows."""
        rows = [dict(row.shown) for row in self.stored.rows]
        ids = [entry.remote_id for entry in one.ledger]
        for row in rows:
            if ids and row["Id"] == ids[number % len(ids)]:
                row["Value"] = "overwritten"
        self.stored.replace({"Variables": rows, "Version": self.stored.version})
