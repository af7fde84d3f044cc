"""The lake: one Parquet file of answers a UTC day, and the reports; a local folder or any fsspec URL."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.errors import InputError, TransientError, first_line
from seedtest_assets.storage.file_digest import is_damaged, parquet_with_digest
from seedtest_assets.storage.lake_folder import LakeFolder
from seedtest_assets.storage.observations import ID_COLUMNS, OBSERVATION_SCHEMA, OMISSION_SCHEMA
from seedtest_assets.storage.private_files import PRIVATE_FILE, close_to_others, make_private_folder


@dataclass(frozen=True, kw_only=True)
class Omissions:
    """Answers without a mark beside those with one, of every day from `since` on.

    n_omitted, n_given: int64 by item_id, of the items that have some.
    """

    since: date
    n_omitted: pd.Series
    n_given: pd.Series


class Lake(LakeFolder):
    """Days of answers, reports and rejected calibrations: what is written there, and read."""

    def observations_path(self, day: date) -> str:
        """Give the path of a day's answers."""
        return f"{self.root}/observations/date={day.isoformat()}/answers.parquet"

    def write_observations(self, day: date, answers: pa.Table) -> str:
        """Replace the answers of a day, all or none; gives the path."""
        path, content = self.observations_path(day), parquet_with_digest(answers.cast(OBSERVATION_SCHEMA))
        with self._replacing(path) as unfinished:
            unfinished.write(content)
        with self._reading(path) as file:
            if file.read() != content:
                raise TransientError(
                    f"{path} is not what was written to it a moment ago. Check the disk or the store of SEEDTEST_LAKE, and run the day again"
                )
        return path

    def damaged_days(self, days: Sequence[date]) -> list[date]:
        """List those of some days whose file is no longer what was written. Object stores look after that themselves."""
        if not self.is_local:
            return []
        return [day for day in days if self._is_damaged(self.observations_path(day))]

    def read_observations(self, days: Sequence[date], columns: Sequence[str] | None = None) -> pa.Table:
        """Read the answers of some days, oldest first; ids come dictionary-encoded, so that a long window stays small."""
        chosen = list(columns or OBSERVATION_SCHEMA.names)
        schema = pa.schema(
            [
                pa.field(name, pa.dictionary(pa.int32(), pa.string()))
                if name in ID_COLUMNS
                else OBSERVATION_SCHEMA.field(name)
                for name in chosen
            ]
        )
        tables = [self._read(self.observations_path(day), chosen).cast(schema) for day in sorted(days)]
        return pa.concat_tables(tables).unify_dictionaries() if tables else schema.empty_table()

    def observations_count(self, day: date) -> int:
        """Count the answers written for a day."""
        with self._reading(self.observations_path(day)) as file:
            return pq.read_metadata(file).num_rows

    def write_omissions(self, day: date, omitted: pa.Table | None) -> None:
        """Replace the counts of a day's answers without a mark (OMISSION_SCHEMA).

        An empty table says that there were none, None that they were not counted.
        """
        if omitted is None:
            self._remove(self._omissions_path(day))
            return
        with self._replacing(self._omissions_path(day)) as unfinished:
            pq.write_table(omitted.cast(OMISSION_SCHEMA), unfinished)

    def read_omissions(self, days: Sequence[date]) -> Omissions | None:
        """Count the answers without a mark on the last of some days, from the first on which they were counted without a gap.

        Those with a mark are counted in the same files: a window may hold fewer, by MIRT_MAX_OBS or SEEDTEST_RAPID_GUESSES.

        None where the last day was not counted.
        """
        counted = set(self._days_with("omissions", "items.parquet"))
        recent = list(takewhile(counted.__contains__, sorted(days, reverse=True)))
        if not recent:
            return None
        tables = []
        for day in recent:
            with self._reading(self._omissions_path(day)) as file:
                tables.append(pq.read_table(pa.BufferReader(file.read())))
        given = self.read_observations(recent, ["item_id"])["item_id"].value_counts()
        return Omissions(
            since=recent[-1],
            n_omitted=pa.concat_tables(tables).to_pandas().groupby("item_id")["n"].sum(),
            n_given=pd.Series(given.field("counts").to_numpy(), index=given.field("values").to_pylist(), dtype="int64"),
        )

    def _omissions_path(self, day: date) -> str:
        return f"{self.root}/omissions/date={day.isoformat()}/items.parquet"

    def keep_rejected(self, day: date, run_id: str, frames: dict[str, pd.DataFrame], facts: dict[str, Any]) -> str:
        """Keep a calibration that was not written to the database, for inspection; gives its folder."""
        folder = f"{self.root}/rejected/date={day.isoformat()}/{run_id}"
        for name, frame in frames.items():
            with self._replacing(f"{folder}/{name}.parquet") as unfinished:
                frame.to_parquet(unfinished)
        with self._replacing(f"{folder}/facts.json") as unfinished:
            unfinished.write(json.dumps(facts, indent=1, default=str).encode())
        return folder

    def keep_published(self, day: date, frames: dict[str, pd.DataFrame]) -> None:
        """Keep the results of another job for comparison, unless the day has some already."""
        for name, frame in frames.items():
            path = self._published_path(day, name)
            if not self.filesystem.exists(path):
                with self._replacing(path) as unfinished:
                    frame.to_parquet(unfinished)

    def read_published(self, day: date, name: str) -> pd.DataFrame | None:
        """Read results kept by keep_published; None if there are none."""
        path = self._published_path(day, name)
        if not self.filesystem.exists(path):
            return None
        with self._reading(path) as file:
            return pd.read_parquet(file)

    def _published_path(self, day: date, name: str) -> str:
        return f"{self.root}/published/date={day.isoformat()}/{name}.parquet"

    def reports_folder(self) -> Path | None:
        """Give the folder of the reports, where the lake is one of this machine; made if it is not there."""
        if self.local_folder is None:
            return None
        folder = self.local_folder / "reports"
        try:
            make_private_folder(folder)
        except OSError as error:
            raise self.out_of_reach("write", str(folder), error) from error
        return folder

    def write_report(self, day: date, html: str, name: str = "calibration") -> str:
        """Replace a page about a day; gives its path."""
        path = self.report_path(day, name)
        with self._replacing(path) as unfinished:
            unfinished.write(html.encode())
        return path

    def remove_report(self, day: date) -> None:
        """Remove the report of a day, where there is one: its calibration is gone."""
        self._remove(self.report_path(day))

    def _remove(self, path: str) -> None:
        try:
            if self.filesystem.exists(path):
                self.filesystem.rm_file(path)
        except OSError as error:
            raise self.out_of_reach("remove", path, error) from error

    def _read(self, path: str, columns: list[str]) -> pa.Table:
        with self._reading(path) as file:
            content = file.read()
            if is_damaged(content):
                raise InputError(
                    f"{path} is damaged: it is not what was written. Materialise the day's observations again, or restore the file"
                )
            there = set(pq.read_schema(pa.BufferReader(content)).names)
            known = [name for name in columns if name in there or name not in SCORE_SCHEMA.names]
            table = pq.read_table(pa.BufferReader(content), columns=known, read_dictionary=ID_COLUMNS)
            for name in set(columns) - set(known):  # the file was written before there were scores
                table = table.append_column(name, pa.nulls(len(table), OBSERVATION_SCHEMA.field(name).type))
            return table.select(columns)

    def _is_damaged(self, path: str) -> bool:
        with self._reading(path) as file:
            return is_damaged(file.read())

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

    def _make_folder_of(self, path: str) -> None:
        if self.is_local:
            close_to_others(Path(self.root))
            make_private_folder(Path(path).parent)
        else:
            self.filesystem.makedirs(self.filesystem._parent(path), exist_ok=True)
