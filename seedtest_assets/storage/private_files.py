"""Folders that only their owner may enter, whatever the umask."""

import os
from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_GROUP_AND_OTHERS = 0o077


def make_private_folder(folder: Path) -> None:
    """Create a folder and the missing ones above it for their owner only; existing ones stay as they are."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_dir():
            return  # another process made it in the meantime
        raise
    folder.chmod(PRIVATE_FOLDER)  # not mkdir's mode, which the umask cuts


def close_to_others(folder: Path) -> None:
    """Create a private folder, or make an existing one private; one of another user stays as it is."""
    make_private_folder(folder)
    status = folder.stat()
    if status.st_mode & _GROUP_AND_OTHERS and status.st_uid == os.geteuid():
        folder.chmod(PRIVATE_FOLDER)
