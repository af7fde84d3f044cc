"""The lake: the answers of each UTC day, and the reports; a local folder or any fsspec URL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from seedtest_assets.storage.lake_observations import LakeObservations
from seedtest_assets.storage.observations import OMISSION_SCHEMA
from seedtest_assets.storage.private_files import make_private_folder


@dataclass(frozen=True, kw_only=True)
class Omissions:
    """Answers without a mark beside those with one, of every day from `since` on.

    n_omitted, n_given: int64 by item_id, of the items that have some.
    """

    since: date
    n_omitted: pd.Series
    n_given: pd.Series


class Lake(LakeObservations):
    """Days of answers, reports and rejected calibrations: what is written there, and read."""

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
        return Omissions(
            since=recent[-1],
            n_omitted=pa.concat_tables(tables).to_pandas().groupby("item_id")["n"].sum(),
            n_given=self._answers_by_item(recent),
        )

    def _answers_by_item(self, days: Sequence[date]) -> pd.Series:
        counts = [
            pa.Table.from_struct_array(self.read_observations([day], ["item_id"])["item_id"].value_counts())
            for day in days
        ]
        given = pa.concat_tables(counts).to_pandas()
        return given.groupby(given["values"].astype(object))["counts"].sum()

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
