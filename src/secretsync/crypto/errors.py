"""The errors of encryption. No message holds a key, a value, or any part of one."""


class CryptoError(Exception):
    """Something about a key or an encrypted value is not as it must be."""


class KeyFileError(CryptoError):
    """The key file is missing, malformed or open to others."""


class KeyVariableError(CryptoError):
    """The environment variable that is to hold the key is missing or malformed."""


class WrongKeyError(CryptoError):
    """The key-encryption key is not the one that the database was written with."""


class DecryptionError(CryptoError):
    """A value cannot be decrypted: it was altered, or moved from where it was encrypted for."""
