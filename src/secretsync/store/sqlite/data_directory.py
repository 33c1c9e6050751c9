"""The data directory: made private to its owner, and locked to one server at a time."""

import contextlib
import fcntl
import os
from pathlib import Path

from secretsync.store.errors import DataDirectoryError, DataDirectoryInUseError

LOCK_FILE = "lock"


class DataDirectory:
    """A data directory that this process holds the lock of.

    Args:
        path: the directory; it is created with mode 0700 if it is missing.

    Raises:
        DataDirectoryError: the path is a file, or cannot be created or written.
        DataDirectoryInUseError: another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        except (FileExistsError, NotADirectoryError):
            raise DataDirectoryError(
                f"the data directory {path} is a file, or below one: choose another path"
            ) from None
        except OSError as error:
            raise DataDirectoryError(
                f"the data directory {path} cannot be used: {error.strerror}; "
                "it must be writable by the user that runs the server"
            ) from error
        try:
            # The kernel lets go of the lock when the process ends, however it ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode(errors="replace").strip()
            os.close(self._lock)
            raise DataDirectoryInUseError(
                f"the data directory {path} is in use by another server"
                f"{f' (process {holder})' if holder else ''}: "
                "stop that one, or choose another directory"
            ) from None
        except OSError as error:
            os.close(self._lock)
            raise DataDirectoryError(
                f"the data directory {path} cannot be locked: {error.strerror}; "
                "it must be on a file system with locks"
            ) from error
        # Only a courtesy to whoever is refused, so that a full disk does not matter here.
        with contextlib.suppress(OSError):
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def create_file(self, name: str) -> Path:
        """Create an empty file with mode 0600 unless it exists, and return its path.

        SQLite gives its write-ahead log the mode of the database, so the mode is set before
        SQLite sees the file.
        """
        path = self.path / name
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            directory = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise DataDirectoryError(f"{path} cannot be written: {error.strerror}") from error
        return path

    def unlock(self) -> None:
        """Let another server use the directory."""
        os.close(self._lock)
