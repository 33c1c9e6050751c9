"""The errors of a state store, each with a message that an operator can act on."""


class StoreError(Exception):
    """The state store cannot do what was asked, or cannot be opened."""


class DataDirectoryError(StoreError):
    """The data directory cannot be used: not a directory, or not writable."""


class DataDirectoryInUseError(StoreError):
    """Another server works with this data directory."""


class NewerDatabaseError(StoreError):
    """A newer version of secretsync has changed the database in ways unknown to this one."""


class CorruptDatabaseError(StoreError):
    """The database file is not a database, or is damaged."""


class ConstraintError(StoreError):
    """A change would break a rule that the database keeps, such as a unique name."""


class DiskError(StoreError):
    """The disk failed to read or write; the transaction was rolled back."""
