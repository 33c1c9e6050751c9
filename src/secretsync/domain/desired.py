"""What a destination is to hold: keys turned into names, without two of one identity."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from secretsync.domain.entities import InitialSyncBehavior, SecretSync
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.problems import Code, Problem, Reason


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key and its name at the destination."""

    key: str
    name: str


def name_keys(
    keys: Iterable[str], schema: KeySchema, name_identity: Callable[[str], str]
) -> list[NamedKey]:
    """Return the keys with their names, ordered by name.

    Args:
        keys: the keys of the source.
        schema: makes the names.
        name_identity: what the destination tells names apart by, e.g. `str.casefold`.

    Raises:
        Problem: DUPLICATE_SECRETS, if two keys get names that the destination takes for one. All
            such pairs are named.
    """
    by_identity: dict[str, list[NamedKey]] = {}
    for key in sorted(keys):
        named = NamedKey(key, schema.render(key))
        by_identity.setdefault(name_identity(named.name), []).append(named)
    clashes = [
        " and ".join(repr(named.key) for named in group)
        for group in by_identity.values()
        if len(group) > 1
    ]
    if clashes:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.DUPLICATE_SECRETS,
            f"the destination would take these keys for one and the same: {'; '.join(clashes)}."
            " Rename or delete all but one of each",
        )
    return sorted((group[0] for group in by_identity.values()), key=lambda named: named.name)


def first_run_claims(sync: SecretSync) -> Callable[[str], bool]:
    """Return the rule for what a run may delete although the ledger does not list it.

    Nothing, unless it is the first run of a sync that overwrites the destination, may delete, and
    has a key schema: then what the schema could have named. A sync that was led back to a place
    where a run had succeeded has had its first run there. Without a key schema every name would
    match, and what others made would be lost; whoever wants that writes `{{secretKey}}`.
    """
    options = sync.options
    claiming = (
        not (sync.initialized or sync.was_here)
        and bool(options.key_schema)
        and not options.disable_secret_deletion
        and options.initial_sync_behavior is InitialSyncBehavior.OVERWRITE_DESTINATION
    )
    schema = KeySchema(options.key_schema, sync.environment)
    return lambda name: claiming and schema.extract(name) is not None
