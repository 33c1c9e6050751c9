"""How bytes are framed for a MAC, encrypted and decrypted."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


def framed(*parts: bytes) -> bytes:
    """Return the parts one after another, each led by its length, so that none runs into the next.

    Without lengths, ("ab", "c") and ("a", "bc") would be the same to a MAC.
    """
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def utf8(text: str) -> bytes:
    """Return the text as UTF-8.

    Raises:
        ValueError: it holds half of a surrogate pair, so it is no unicode text.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Raised out here, because the error above carries the text, which may be a secret.
    raise ValueError("the value is not valid unicode: it holds half of a surrogate pair")


def encrypt(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    """Return a fresh random nonce and the AES-GCM ciphertext with its tag: 28 bytes more."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def decrypt(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes | None:
    """Return what was given to `encrypt`, or None if anything at all does not match."""
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        # ValueError: what is left of the nonce is too short.
        return None
