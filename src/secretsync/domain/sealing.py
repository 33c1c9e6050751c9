"""What each ciphertext is bound to, so that it cannot be moved to another row or brought back."""

from secretsync.domain.entities import Connection, Secret
from secretsync.domain.former_places import FormerPlace


def secret_context(secret: Secret) -> str:
    """Return what a secret's ciphertext is bound to: its row and its version."""
    return f"secret/{secret.uid}/{secret.version}"


def credentials_context(connection: Connection) -> str:
    """Return what a connection's ciphertext is bound to: its row."""
    return f"connection/{connection.uid}/credentials"


def place_context(place: FormerPlace) -> str:
    """Return what the ciphertext of a former place's credentials is bound to: its row."""
    return f"former-place/{place.uid}/credentials"
