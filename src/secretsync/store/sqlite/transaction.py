"""The tables as one transaction sees them."""

from sqlite_utils import Database

from secretsync.store.sqlite.connections import Connections
from secretsync.store.sqlite.events import Events
from secretsync.store.sqlite.former_places import FormerPlaces
from secretsync.store.sqlite.idempotency import Idempotency
from secretsync.store.sqlite.imports import Imports
from secretsync.store.sqlite.key_states import KeyStates
from secretsync.store.sqlite.keys import Keys
from secretsync.store.sqlite.ledger import Ledger
from secretsync.store.sqlite.pauses import Pauses
from secretsync.store.sqlite.projects import Environments, Projects
from secretsync.store.sqlite.run_attempts import RunAttempts
from secretsync.store.sqlite.runs import Runs
from secretsync.store.sqlite.secrets import Secrets
from secretsync.store.sqlite.syncs import Syncs


class SqliteTransaction:
    """Implements `Transaction` on one thread's connection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.projects = Projects(database)
        self.environments = Environments(database)
        self.secrets = Secrets(database)
        self.imports = Imports(database)
        self.connections = Connections(database)
        self.syncs = Syncs(database)
        self.runs = Runs(database)
        self.attempts = RunAttempts(database)
        self.pauses = Pauses(database)
        self.events = Events(database)
        self.ledger = Ledger(database)
        self.key_states = KeyStates(database)
        self.former_places = FormerPlaces(database)
        self.idempotency = Idempotency(database)
        self.keys = Keys(database)
