"""Encryption at rest: key providers, and the vault that seals values with projects' data keys."""

from secretsync.crypto.errors import (
    CryptoError,
    DecryptionError,
    KeyFileError,
    KeyVariableError,
    WrongKeyError,
)
from secretsync.crypto.providers import (
    KEY_VARIABLE,
    EnvironmentKeyProvider,
    FileKeyProvider,
    KeyProvider,
)
from secretsync.crypto.vault import Vault, check_key, is_new_database

__all__ = [
    "KEY_VARIABLE",
    "CryptoError",
    "DecryptionError",
    "EnvironmentKeyProvider",
    "FileKeyProvider",
    "KeyFileError",
    "KeyProvider",
    "KeyVariableError",
    "Vault",
    "WrongKeyError",
    "check_key",
    "is_new_database",
]
