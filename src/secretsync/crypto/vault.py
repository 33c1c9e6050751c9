"""Envelope encryption: a data key for each project, wrapped by the key provider's key.

A sealed value is: version (1 byte, 1) | nonce (12) | ciphertext and tag (16 more than the value's
UTF-8). A data key encrypts nothing itself: HKDF-SHA256 derives from it one key for sealing and one
for each purpose of digests, so that no two uses share a key. Nonces are random: for one project
AES-256-GCM allows 2**32 sealed values (NIST SP 800-38D, section 8.3), far beyond what a store on
one machine writes.
"""

import hmac
import os
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secretsync.adapter import SecretValue
from secretsync.crypto.errors import DecryptionError, WrongKeyError
from secretsync.crypto.providers import KeyProvider
from secretsync.crypto.wire import KEY_BYTES, decrypt, encrypt, framed, utf8
from secretsync.store.protocol import Transaction

_VERSION = b"\x01"
_SERVICE_KEY = "service-data-key"
_SERVICE_CONTEXT = b"secretsync/service"


class _DerivedKeys:
    """What is derived from one data key. Only caches; nothing of it is stored."""

    def __init__(self, wrapped: bytes, data_key: bytes) -> None:
        self.wrapped = wrapped
        self._data_key = data_key
        self.cipher = AESGCM(self._derive(b"seal"))

    def mac_key(self, purpose: str) -> bytes:
        """Return the purpose's own key for HMAC-SHA256."""
        return self._derive(b"digest/" + purpose.encode())

    def _derive(self, use: bytes) -> bytes:
        # No salt: the data key is uniformly random already (RFC 5869, section 3.1).
        kdf = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"secretsync/v1/" + use)
        return kdf.derive(self._data_key)


class Vault:
    """Encrypts, decrypts and digests, each within a transaction of the store.

    It keeps unwrapped data keys in memory. A key is used only if the transaction at hand sees the
    wrapped one that it came from, so that a key which was saved in a transaction that did not
    commit is never used again.

    Args:
        provider: of the key-encryption key.
    """

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        # By project uid; the service's own is there under the name of its record.
        self._cache: dict[str, _DerivedKeys] = {}

    def seal(self, tx: Transaction, project_uid: str, context: str, value: SecretValue) -> bytes:
        """Encrypt a value, so that it opens in this project and context only.

        The first value of a project makes its data key, which needs a write transaction.

        Args:
            tx: the transaction that is to store what is returned.
            project_uid: the project, which must be stored.
            context: what the value belongs to, e.g. `secret/<uid>/<version>`.
            value: any unicode text, possibly empty.

        Raises:
            ValueError: the value is not unicode text but holds half of a surrogate pair.
        """
        plain = utf8(value.reveal())
        keys = self._project(tx, project_uid)
        return _VERSION + encrypt(keys.cipher, plain, _bound_to(project_uid, context))

    def open(self, tx: Transaction, project_uid: str, context: str, sealed: bytes) -> SecretValue:
        """Decrypt what `seal` returned for the same project and context.

        Raises:
            DecryptionError: it was altered, or sealed for another project or context.
            WrongKeyError: the project's data key was wrapped with another key.
        """
        plain = None
        wrapped = tx.keys.data_key(project_uid)
        if wrapped is not None and sealed.startswith(_VERSION):
            keys = self._keys(project_uid, wrapped, _project_context(project_uid))
            bound_to = _bound_to(project_uid, context)
            plain = decrypt(keys.cipher, sealed[len(_VERSION) :], bound_to)
        if plain is None:
            raise DecryptionError(
                f"the stored value of {context} cannot be decrypted: "
                "it was altered, or moved there from elsewhere"
            )
        return SecretValue(plain.decode())

    def digest(self, tx: Transaction, project_uid: str, purpose: str, *parts: str) -> str:
        """Return a keyed digest of the parts, as 64 hexadecimal digits.

        Digests are equal only for equal parts in the same project and with the same purpose, and
        tell nothing to who does not have the project's key.
        """
        return self.digest_key(tx, project_uid, purpose)(*parts)

    def digest_key(self, tx: Transaction, project_uid: str, purpose: str) -> Callable[..., str]:
        """Return a function from parts to their `digest`, to be used after the transaction too."""
        key = self._project(tx, project_uid).mac_key(purpose)

        def digest(*parts: str) -> str:
            return hmac.digest(key, framed(*map(utf8, parts)), "sha256").hex()

        return digest

    def fingerprint(self, tx: Transaction, data: bytes) -> bytes:
        """Return a keyed digest of data, 32 bytes, the same in all projects.

        Raises:
            WrongKeyError: the database has no record of its key: `check_key` was not called.
        """
        wrapped = tx.keys.get_meta(_SERVICE_KEY)
        if wrapped is None:
            raise WrongKeyError("the database holds no record of the key that encrypts it")
        key = self._keys(_SERVICE_KEY, wrapped, _SERVICE_CONTEXT).mac_key("fingerprint")
        return hmac.digest(key, data, "sha256")

    def forget(self, project_uid: str) -> None:
        """Drop the data key of a project from memory, if it is there."""
        self._cache.pop(project_uid, None)

    def _project(self, tx: Transaction, project_uid: str) -> _DerivedKeys:
        context = _project_context(project_uid)
        wrapped = tx.keys.data_key(project_uid)
        if wrapped is None:
            wrapped = self._provider.wrap(os.urandom(KEY_BYTES), context)
            tx.keys.save_data_key(project_uid, wrapped)
        return self._keys(project_uid, wrapped, context)

    def _keys(self, owner: str, wrapped: bytes, context: bytes) -> _DerivedKeys:
        keys = self._cache.get(owner)
        if keys is None or keys.wrapped != wrapped:
            keys = _DerivedKeys(wrapped, self._provider.unwrap(wrapped, context))
            self._cache[owner] = keys
        return keys


def is_new_database(tx: Transaction) -> bool:
    """Tell whether nothing has been encrypted yet, so that any key will do."""
    return tx.keys.get_meta(_SERVICE_KEY) is None and not tx.projects.list("", 1)


def check_key(tx: Transaction, provider: KeyProvider) -> None:
    """Prove that the provider's key is the one that the database was written with.

    The record that proves it is a data key for the service as a whole; a new database is given
    one, which needs a write transaction.

    Raises:
        WrongKeyError: it is another key, or the database has lost its record.
    """
    wrapped = tx.keys.get_meta(_SERVICE_KEY)
    if wrapped is None:
        if not is_new_database(tx):
            raise WrongKeyError(
                "the database holds data but no record of the key that encrypted it: "
                "it is damaged, restore it from a backup"
            )
        new = provider.wrap(os.urandom(KEY_BYTES), _SERVICE_CONTEXT)
        tx.keys.set_meta(_SERVICE_KEY, new)
        return
    try:
        provider.unwrap(wrapped, _SERVICE_CONTEXT)
    except DecryptionError as error:
        raise WrongKeyError(
            "the database's record of its key is damaged: restore it from a backup"
        ) from error


def _project_context(project_uid: str) -> bytes:
    return framed(b"secretsync/project", project_uid.encode())


def _bound_to(project_uid: str, context: str) -> bytes:
    return framed(b"secretsync/sealed", _VERSION, project_uid.encode(), context.encode())
