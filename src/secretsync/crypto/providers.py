"""Key providers: they hold the key-encryption key, and wrap data keys with it.

The key's text is `secretsync-kek-v1:` and the base64 of 32 random bytes. A wrapped key is

    version (1 byte, 1) | length of the key id (1 byte) | key id | nonce (12) | ciphertext and tag

with everything before the nonce authenticated, so that a rotation can tell which key is needed and
rewrap data keys without touching what they encrypt. Nonces are random: AES-256-GCM allows 2**32 of
them for one key (NIST SP 800-38D, section 8.3), and one is used for each project.
"""

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from secretsync.crypto.errors import (
    DecryptionError,
    KeyFileError,
    KeyVariableError,
    WrongKeyError,
)
from secretsync.crypto.wire import KEY_BYTES, decrypt, encrypt, framed

KEY_PREFIX = "secretsync-kek-v1:"
KEY_VARIABLE = "SECRETSYNC_KEY"
_VERSION = 1
# Far more than the text of a key needs; a wrong path may name a file of any size.
_MAX_FILE_BYTES = 1024


class KeyProvider(Protocol):
    """Wraps data keys with a key-encryption key that it does not give out."""

    @property
    def key_id(self) -> str:
        """Which key it is; tells nothing about the key itself. At most 255 ASCII characters."""
        ...

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return the data key encrypted and bound to a context, such as its project."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the data key that was wrapped in this context.

        Raises:
            WrongKeyError: it was wrapped with another key.
            DecryptionError: it was altered, or wrapped for another context.
        """
        ...


class _LocalKeyProvider:
    """A provider whose key is in the memory of this process."""

    def __init__(self, key: bytes) -> None:
        self.key_id = hashlib.sha256(b"secretsync key id\0" + key).hexdigest()[:16]
        self._cipher = AESGCM(key)

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        header = _header(self.key_id)
        return header + encrypt(self._cipher, data_key, framed(header, context))

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        header = _header(self.key_id)
        if not wrapped.startswith(header):
            raise WrongKeyError(
                f"a data key was wrapped with the key {_key_id_of(wrapped)}, "
                f"and the key at hand is {self.key_id}: start with the key that was used before"
            )
        data_key = decrypt(self._cipher, wrapped[len(header) :], framed(header, context))
        if data_key is None:
            raise DecryptionError("a data key was altered, or belongs to something else")
        return data_key


class FileKeyProvider(_LocalKeyProvider):
    """A provider whose key is in a file that its owner alone can read."""

    @classmethod
    def open(cls, path: Path, *, create: bool) -> "FileKeyProvider":
        """Load the key, or create it.

        Args:
            path: the key file.
            create: whether to create the file with a new key if it is missing. Only where nothing
                has been encrypted yet: a new key opens nothing that an old one closed.

        Raises:
            KeyFileError: the file is missing, malformed, or can be read by others.
        """
        if create:
            _create_key_file(path)
        try:
            # Without O_NONBLOCK this would wait forever for the other end of a named pipe.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            raise KeyFileError(
                f"the key file {path} is missing: restore it from your backup; without it the "
                "secrets in the database cannot be decrypted"
            ) from None
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from error
        try:
            _check_access(path, os.fstat(descriptor).st_mode)
            text = os.read(descriptor, _MAX_FILE_BYTES)
        finally:
            os.close(descriptor)
        key = _parse(text)
        if key is None:
            raise KeyFileError(
                f"the key file {path} is malformed: it must hold one line of {KEY_PREFIX} and the "
                f"base64 of {KEY_BYTES} bytes; restore it from your backup"
            )
        return cls(key)


class EnvironmentKeyProvider(_LocalKeyProvider):
    """A provider whose key is in an environment variable."""

    @classmethod
    def open(cls, variable: str = KEY_VARIABLE) -> "EnvironmentKeyProvider":
        """Load the key.

        Args:
            variable: the name of the variable; it holds the same text as a key file.

        Raises:
            KeyVariableError: the variable is not set, or malformed.
        """
        text = os.environ.get(variable)
        if text is None:
            raise KeyVariableError(f"the environment variable {variable} is not set")
        key = _parse(os.fsencode(text))
        if key is None:
            raise KeyVariableError(
                f"the environment variable {variable} is malformed: it must hold {KEY_PREFIX} and "
                f"the base64 of {KEY_BYTES} bytes"
            )
        return cls(key)


def _header(key_id: str) -> bytes:
    return bytes([_VERSION, len(key_id)]) + key_id.encode("ascii")


def _key_id_of(wrapped: bytes) -> str:
    if len(wrapped) < 2 or wrapped[0] != _VERSION:  # noqa: PLR2004  version and length
        return "of an unknown format"
    return wrapped[2 : 2 + wrapped[1]].decode("ascii", errors="replace")


def _parse(text: bytes) -> bytes | None:
    prefix, colon, encoded = text.strip().partition(b":")
    if prefix + colon != KEY_PREFIX.encode():
        return None
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None


def _check_access(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"the key file {path} is not a regular file")
    if mode & 0o077:
        raise KeyFileError(
            f"the key file {path} can be read or written by others "
            f"(mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`"
        )


def _create_key_file(path: Path) -> None:
    """Create the file with a new key, in whole or not at all, unless there is one already."""
    if path.exists():
        return
    text = f"{KEY_PREFIX}{base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n"
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  see os.open above
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            # Unlike a rename, a link never replaces a key that another process just created.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync_directory(path.parent)
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be created: {error.strerror}") from error


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
