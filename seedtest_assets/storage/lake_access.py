"""Reading and replacing files of the lake, with every fault in the user's terms."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

import pyarrow as pa

from seedtest_assets.errors import InputError, first_line
from seedtest_assets.storage.lake_folder import LakeFolder
from seedtest_assets.storage.private_files import PRIVATE_FILE, close_to_others, make_private_folder


class LakeAccess(LakeFolder):
    """Files of the lake: read, replaced as a whole, removed."""

    @contextmanager
    def _reading(self, path: str) -> Iterator[IO[bytes]]:
        try:
            with self.filesystem.open(path, "rb") as file:
                yield file
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise InputError(f"{path} is not there. Materialise the day's observations") from None
            if isinstance(error, OSError) and error.errno is not None:
                raise self.out_of_reach("read", path, error) from error
            raise InputError(  # pyarrow's own, of a broken page
                f"{path} is not a readable Parquet file ({first_line(error)}). Delete it and materialise the day's observations"
            ) from None

    @contextmanager
    def _replacing(self, path: str) -> Iterator[IO[bytes]]:
        # Readers see the old file or the new one, never a part; a fault leaves the old one as it was.
        unfinished = f"{path}.{uuid4().hex}.unfinished"
        try:
            self._make_folder_of(path)
            try:
                with self.filesystem.open(unfinished, "wb") as file:
                    if self.is_local:
                        os.chmod(unfinished, PRIVATE_FILE)
                    yield file
                if self.is_local:
                    os.replace(unfinished, path)  # where a folder stands there, a move would put the file into it
                else:
                    self.filesystem.mv(unfinished, path)
            except BaseException:
                if self.filesystem.exists(unfinished):
                    self.filesystem.rm_file(unfinished)
                raise
        except OSError as error:
            raise self.out_of_reach("write", path, error) from error

    def _remove(self, path: str) -> None:
        try:
            if self.filesystem.exists(path):
                self.filesystem.rm_file(path)
        except OSError as error:
            raise self.out_of_reach("remove", path, error) from error

    def _make_folder_of(self, path: str) -> None:
        if self.is_local:
            close_to_others(Path(self.root))
            make_private_folder(Path(path).parent)
        else:
            self.filesystem.makedirs(self.filesystem._parent(path), exist_ok=True)
