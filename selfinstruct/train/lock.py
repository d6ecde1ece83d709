"""One writer of a folder at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from selfinstruct.errors import RunLocked, SettingsError

LOCK = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only process that writes into a folder, which is made if it is not there.

    Raises:
        RunLocked: another one is at it.
        SettingsError: the folder cannot be made or written to.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise RunLocked(f"{folder}: another process is writing here; wait for it, or choose another folder") from error
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be written to ({error.strerror}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()
