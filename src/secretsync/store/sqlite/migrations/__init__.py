"""The schema, as a list of changes that only ever grows: released ones are never edited.

The order of the imports is the order of the changes. Their names, with a number that says little,
are what a database remembers: one that was renamed would be unknown to it.
"""

import contextlib

from sqlite_utils import Database

# isort: off
from secretsync.store.errors import NewerDatabaseError
from secretsync.store.sqlite.migrations import resources as _resources  # noqa: F401
from secretsync.store.sqlite.migrations import runs as _runs  # noqa: F401
from secretsync.store.sqlite.migrations import approval as _approval  # noqa: F401
from secretsync.store.sqlite.migrations import history as _history  # noqa: F401
from secretsync.store.sqlite.migrations import schedules as _schedules  # noqa: F401
from secretsync.store.sqlite.migrations import key_states as _key_states  # noqa: F401
from secretsync.store.sqlite.migrations import pauses as _pauses  # noqa: F401
from secretsync.store.sqlite.migrations import events as _events  # noqa: F401
from secretsync.store.sqlite.migrations import former_places as _former_places  # noqa: F401
from secretsync.store.sqlite.migrations import checks as _checks  # noqa: F401
from secretsync.store.sqlite.migrations import returns as _returns  # noqa: F401
from secretsync.store.sqlite.migrations import moves as _moves  # noqa: F401
from secretsync.store.sqlite.migrations import approvers as _approvers  # noqa: F401
from secretsync.store.sqlite.migrations.known import migrations
# isort: on


def migrate(database: Database) -> None:
    """Apply what is missing, each change in a transaction of its own.

    Raises:
        NewerDatabaseError: changes have been applied that this version does not know.
    """
    with contextlib.closing(Database(memory=True, execute_plugins=False)) as empty:
        known = {migration.name for migration in migrations.pending(empty)}
    unknown = sorted({done.name for done in migrations.applied(database)} - known)
    if unknown:
        raise NewerDatabaseError(
            "the database was written by a newer version of secretsync "
            f"(unknown changes: {', '.join(unknown)}): install that version or a later one"
        )
    migrations.apply(database)
