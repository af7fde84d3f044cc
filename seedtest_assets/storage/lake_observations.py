"""The answers in the lake: of each UTC day, in files by bucket of students, so that they can be read bucket by bucket."""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from functools import partial
from itertools import groupby
from typing import TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.errors import InputError, SeedtestError, TransientError
from seedtest_assets.settings import DEFAULT_BUCKETS
from seedtest_assets.storage.bucket import EVERYBODY, Bucket
from seedtest_assets.storage.day_file import columns_of_file, divided, joined, lake_schema
from seedtest_assets.storage.file_digest import is_damaged, parquet_with_digest
from seedtest_assets.storage.kept_columns import kept_or_read
from seedtest_assets.storage.lake_access import LakeAccess
from seedtest_assets.storage.lake_days import MANIFEST, ONE_FILE, DayFile, DayFiles, damaged, day_files_of, manifest_of
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.storage.private_files import PRIVATE_FILE
from seedtest_assets.storage.student_buckets import answers_in, buckets_of_a_day

# An object store answers after some tens of milliseconds, however small the file.
_CONNECTIONS = 16

_T = TypeVar("_T")
_R = TypeVar("_R")


class LakeObservations(LakeAccess):
    """Days of answers: what is written there, and read.

    n_buckets: SEEDTEST_BUCKETS, with which a new lake is made; None takes what the lake was made with.
    """

    def __init__(self, url: str, n_buckets: int | None = None) -> None:
        super().__init__(url)
        self._wanted_buckets = n_buckets

    def n_buckets(self) -> int:
        """Give the number of buckets that the lake was made with, or will be.

        Raises InputError where SEEDTEST_BUCKETS is another.
        """
        made_with, wanted = self._buckets_made_with(), self._wanted_buckets
        if wanted is None or made_with in (None, wanted):
            return made_with or wanted or DEFAULT_BUCKETS
        raise InputError(
            f"SEEDTEST_BUCKETS is {wanted}, and the lake {self.url} was made with {made_with}. "
            f"Set SEEDTEST_BUCKETS={made_with}, or change the lake by `seedtest lake rebucket --buckets {wanted}`"
        )

    def set_n_buckets(self, n_buckets: int) -> None:
        """Write the number of buckets of days to come into the lake."""
        with self._replacing(self._buckets_path) as unfinished:
            unfinished.write(json.dumps({"buckets": n_buckets}).encode())

    def write_observations(self, day: date, answers: pa.Table) -> str:
        """Replace the answers of a day, all or none; gives the folder of the day.

        Raises InputError where SEEDTEST_BUCKETS is another number than the lake's.
        """
        n_buckets = self.n_buckets()
        if not self.filesystem.exists(self._buckets_path):
            self.set_n_buckets(n_buckets)
        return self._write(day, answers, n_buckets)

    def rebucket(self, day: date, n_buckets: int) -> bool:
        """Write a day anew if n_buckets gives it other files, and remove files of its folder that belong to nothing.

        Tells whether it was written. Nobody else may write the day meanwhile.
        """
        files = self._day_files(day)
        anew = files == ONE_FILE or files.n_buckets != buckets_of_a_day(self.count_of_files(day, files), n_buckets)
        if anew:
            self._write(day, self.read_observations([day]), n_buckets)
            files = self._day_files(day)
        self._remove_others(day, files)
        return anew

    def observation_files(self, days: Sequence[date], bucket: Bucket = EVERYBODY) -> list[str]:
        """List the files of some days that may have answers of a bucket's students, oldest first."""
        return [self._path(day, file) for day, files in self.files_of_days(days).items() for file in files.of(bucket)]

    def damaged_days(self, days: Sequence[date]) -> list[date]:
        """List those of some days whose files are no longer what was written. Object stores look after that themselves."""
        if not self.is_local:
            return []
        return [day for day, damaged in zip(days, self._each(self._is_damaged_day, days), strict=True) if damaged]

    def observations_count(self, day: date) -> int:
        """Count the answers written for a day."""
        return self.count_of_files(day, self._day_files(day))

    def count_of_files(self, day: date, files: DayFiles) -> int:
        """Count the answers of a day, whose files were looked up before."""
        return sum(self._n_answers(day, file) for file in files.files)

    def files_of_days(self, days: Sequence[date]) -> dict[date, DayFiles]:
        """Look up the files of some days, oldest first, for read_files, which then notices a day that is written meanwhile."""
        ordered = sorted(days)
        return dict(zip(ordered, self._each(self._day_files, ordered), strict=True))

    def read_observations(
        self, days: Sequence[date], columns: Sequence[str] | None = None, bucket: Bucket = EVERYBODY
    ) -> pa.Table:
        """Read the answers of a bucket's students on some days, with completed_at among the columns oldest first.

        Ids come dictionary-encoded, so that a long window stays small.
        """
        return self.read_files(self.files_of_days(days), columns, bucket)

    def read_files(
        self, days: Mapping[date, DayFiles], columns: Sequence[str] | None = None, bucket: Bucket = EVERYBODY
    ) -> pa.Table:
        """Read as read_observations does, from files of days that were looked up before.

        Raises InputError for a file that is damaged or gone, TransientError where its day was written anew since.
        """
        chosen = list(columns or OBSERVATION_SCHEMA.names)
        files = [(day, file) for day, of_day in days.items() for file in of_day.of(bucket)]
        tables = zip(files, self._each(lambda file: self._read(*file, chosen, bucket), files), strict=True)
        by_day = groupby(tables, key=lambda read: read[0][0])
        ordered = [joined([table for _, table in of_day]) for _, of_day in by_day]
        return pa.concat_tables(ordered).unify_dictionaries() if ordered else lake_schema(chosen).empty_table()

    def _write(self, day: date, answers: pa.Table, n_buckets: int) -> str:
        n_files, version = buckets_of_a_day(len(answers), n_buckets), uuid4().hex
        parts: dict[DayFile, pa.Table] = {}
        for number, part in divided(answers.cast(OBSERVATION_SCHEMA), n_files):
            bucket = Bucket(number=number, n_buckets=n_files)
            parts[DayFile(path=f"bucket={number:02d}/{version}.parquet", bucket=bucket, n_answers=len(part))] = part
        files = tuple(parts)
        try:
            self._each(lambda file: self._write_new(self._path(day, file), parquet_with_digest(parts[file])), files)
            after = DayFiles(n_buckets=n_files, files=files)
            before = self._known_files(day)  # as late as that, because another process may write the day, too
            with self._replacing(self._manifest_path(day)) as unfinished:
                unfinished.write(manifest_of(after))
        except BaseException:
            self._remove_unnamed(day, files)
            raise
        self._check_written(self._manifest_path(day), manifest_of(after))
        if before is None:
            self._remove_others(day, after)
        else:
            self._remove_files([self._path(day, file) for file in before.files])
        return self.day_folder(day)

    def _remove_unnamed(self, day: date, files: Sequence[DayFile]) -> None:
        """Remove the files of a write that failed, unless the manifest names them: the last of its steps may fail after that.

        A store copies the manifest to its place and then removes the copy's source.
        """
        with suppress(SeedtestError):  # told is the first fault; files that stay are in nobody's way
            known = self._known_files(day)
            if known is None or not set(files).intersection(known.files):
                self._remove_files([self._path(day, file) for file in files])

    def _write_new(self, path: str, content: bytes) -> None:
        """Write a file that nobody reads before the manifest names it."""
        try:
            self._make_folder_of(path)
            with self.filesystem.open(path, "wb") as file:
                if self.is_local:
                    os.chmod(path, PRIVATE_FILE)
                file.write(content)
        except OSError as error:
            raise self.out_of_reach("write", path, error) from error
        self._check_written(path, content)

    def _check_written(self, path: str, content: bytes) -> None:
        with self._reading(path) as file:
            if file.read() != content:
                raise TransientError(
                    f"{path} is not what was written to it a moment ago. Check the disk or the store of SEEDTEST_LAKE, and run the day again"
                )

    def _remove_others(self, day: date, kept: DayFiles) -> None:
        """Remove what a write that was interrupted left behind."""
        names = tuple(f"/{name}" for name in (MANIFEST, *(file.path for file in kept.files)))
        try:
            self.filesystem.invalidate_cache()
            found = self.filesystem.find(self.day_folder(day))
        except OSError as error:
            raise self.out_of_reach("read", self.day_folder(day), error) from error
        self._remove_files([path for path in found if not path.endswith(names)])

    def _remove_files(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._remove(path)
            if self.is_local:
                with suppress(OSError):  # others are in it
                    os.rmdir(os.path.dirname(path))

    def _buckets_made_with(self) -> int | None:
        if not self.filesystem.exists(self._buckets_path):
            return None
        with self._reading(self._buckets_path) as file:
            content = file.read()
        try:
            return int(json.loads(content)["buckets"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{self._buckets_path} is damaged: it does not have the number of buckets. "
                "Write it anew by `seedtest lake rebucket`"
            ) from None

    def _day_files(self, day: date) -> DayFiles:
        files = self._known_files(day)
        if files is None:
            raise damaged(self._manifest_path(day))
        return files

    def _known_files(self, day: date) -> DayFiles | None:
        """Read the manifest of a day; None where it is damaged."""
        path = self._manifest_path(day)
        try:
            return day_files_of(self.filesystem.cat_file(path))
        except FileNotFoundError:
            return ONE_FILE
        except OSError as error:
            raise self.out_of_reach("read", path, error) from error

    def _is_damaged_day(self, day: date) -> bool:
        files = self._known_files(day)
        return files is None or any(self._is_damaged(self._path(day, file)) for file in files.files)

    def _is_damaged(self, path: str) -> bool:
        if not self.filesystem.exists(path):
            return True
        with self._reading(path) as file:
            return is_damaged(file.read())

    def _n_answers(self, day: date, file: DayFile) -> int:
        if file.n_answers is not None:
            return file.n_answers
        with self._reading(self._path(day, file)) as opened:
            return int(pq.read_metadata(opened).num_rows)

    def _read(self, day: date, file: DayFile, columns: list[str], bucket: Bucket) -> pa.Table:
        selects = not bucket.contains(file.bucket)
        needed = list(dict.fromkeys([*columns, *["student_id"] * selects]))
        read = partial(self._columns_of_file, day, file)
        # A file without buckets is rewritten under the same name.
        named_once = file not in ONE_FILE.files
        table = kept_or_read(self._path(day, file), needed, read) if named_once else read(needed)
        return (answers_in(table, bucket) if selects else table).select(columns)

    def _columns_of_file(self, day: date, file: DayFile, columns: Sequence[str]) -> pa.Table:
        path = self._path(day, file)
        try:
            with self._reading(path) as opened:
                return columns_of_file(opened.read(), path, columns)
        except InputError:
            now = self._known_files(day)
            if now is None or file in now.files:
                raise
            raise TransientError(
                f"the answers of {day} were written anew while they were read. Run this again"
            ) from None

    def _each(self, function: Callable[[_T], _R], values: Sequence[_T]) -> list[_R]:
        """Call a function for each value, several at a time where the file system can do that."""
        n_threads = 1
        if self.is_local:
            n_threads = os.cpu_count() or 1
        elif self.filesystem.async_impl:
            n_threads = _CONNECTIONS
        if min(n_threads, len(values)) < 2:
            return [function(value) for value in values]
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(function, values))

    def day_folder(self, day: date) -> str:
        """Give the folder of a day's answers."""
        return f"{self.root}/observations/date={day.isoformat()}"

    def _path(self, day: date, file: DayFile) -> str:
        return f"{self.day_folder(day)}/{file.path}"

    def _manifest_path(self, day: date) -> str:
        return f"{self.day_folder(day)}/{MANIFEST}"

    @property
    def _buckets_path(self) -> str:
        return f"{self.root}/lake.json"
