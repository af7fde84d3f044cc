"""The usable answers of a file, kept in parts on disk: memory does not grow with the file."""

from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate, pairwise
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.calibration import SCORE_SCHEMA
from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.storage.answer_files import bad_rows, notes_of_answers, of_observations
from seedtest_assets.storage.answer_parts import AnswerParts
from seedtest_assets.storage.kept_parts import PartsOnDisk
from seedtest_assets.storage.observations import OBSERVATION_SCHEMA
from seedtest_assets.usable_answers import each_once, in_order, repeats_the_row_before, usable_rows

_OF_BAD_ROWS = ["row", "reason", "student_id", "item_id"]
_KEYS_AT_ONCE = 8_000_000
"""Of answers, that are looked at together for the same answer in different parts: 64 MB."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
"""Odd, so that different times of the same student and item have different keys."""


class CheckedParts:
    """The usable answers of a file, each once, and the rows that are left out.

    n, first, last: number of the usable answers, and times of the first and last one, datetime; None without any. in_order: whether
    no part has answers before those of an earlier part. bad, notes: as of an AnswerFile.
    scores: columns of scores that have any, with the first part of points in them, None where all are whole.
    """

    def __init__(self, file: AnswerParts) -> None:
        self.n = 0
        self.scores: dict[str, float | None] = {}
        self._parts, self._resolved = PartsOnDisk(), PartsOnDisk()
        self._repeated = np.empty(0, np.uint64)
        self._left_out: list[pa.Table] = []
        self._n_further_topics = 0
        ranges: list[tuple[datetime, datetime]] = []
        items: set[str] = set()
        repeated = False
        for answers in file.answers():
            usable, left_out = usable_rows(answers)
            self._left_out.append(left_out.select(_OF_BAD_ROWS))
            if len(usable):
                repeated = repeated or bool(repeats_the_row_before(usable).any())
                usable = of_observations(usable).append_column("row", usable["row"])
                self._parts.append(usable.append_column("key", pa.array(_keys(usable))))
                times = usable["completed_at"]
                ranges.append((times[0].as_py(), times[-1].as_py()))
                items.update(dictionary_of(usable["item_id"]).unique().dictionary_decode().to_pylist())
                self._note_scores(usable)
            self.n += len(usable)
        self.in_order = all(last <= first for (_, last), (first, _) in pairwise(ranges))
        self.first = min((first for first, _ in ranges), default=None)
        self.last = max((last for _, last in ranges), default=None)
        if repeated or any(first <= last for first, last in _neighbours(ranges)):
            self._resolve_repeated()
        self.bad: pd.DataFrame = bad_rows(file, pa.concat_tables(self._left_out))
        self.notes = [*file.notes, *notes_of_answers(file, self._n_further_topics, items)]
        n_rows = file.n_rows + len(file.misfits)
        assert self.n + self._n_further_topics + len(self.bad) == n_rows, "rows are lost"

    def __enter__(self) -> "CheckedParts":
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._parts.close()
        self._resolved.close()

    def __iter__(self) -> Iterator[pa.Table]:
        """Give the usable answers, columns of OBSERVATION_SCHEMA with ids dictionary-encoded."""
        repeated = pa.array(self._repeated)
        for part in self._parts:
            once = part.filter(pc.invert(pc.is_in(part["key"], repeated))) if len(repeated) else part
            yield once.select(OBSERVATION_SCHEMA.names)
        yield from self._resolved

    def _note_scores(self, usable: pa.Table) -> None:
        for name in SCORE_SCHEMA.names:
            scores = usable[name]
            if scores.null_count < len(scores):
                parts = scores.filter(pc.not_equal(scores, pc.round(scores)))
                known = self.scores.get(name)
                self.scores[name] = known if known is not None or not len(parts) else parts[0].as_py()

    def _resolve_repeated(self) -> None:
        """Decide which rows count of answers that have several, perhaps in different parts."""
        n_groups = -(-self.n // _KEYS_AT_ONCE)
        for group in range(n_groups):
            repeated = self._repeated_keys(group, n_groups)
            if not len(repeated):
                continue
            again = [part.filter(pc.is_in(part["key"], pa.array(repeated))) for part in self._parts]
            once = each_once(in_order(pa.concat_tables(again).unify_dictionaries().combine_chunks()))
            self._resolved.append(once.usable.select(OBSERVATION_SCHEMA.names))
            self._left_out.append(once.left_out.select(_OF_BAD_ROWS))
            self._n_further_topics += once.n_further_topics
            self.n += len(once.usable) - sum(map(len, again))
            self._repeated = np.concatenate([self._repeated, repeated])
            self.in_order = False

    def _repeated_keys(self, group: int, n_groups: int) -> np.ndarray:
        of_group = []
        for part in self._parts:
            keys = part["key"].to_numpy()
            of_group.append(keys[keys % n_groups == group] if n_groups > 1 else keys)
        ordered = np.sort(np.concatenate(of_group))
        return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _neighbours(ranges: list[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Give the first time of each range with the last of those that begin before it."""
    ordered = sorted(ranges)
    latest = accumulate((last for _, last in ordered), max)
    yield from zip((first for first, _ in ordered[1:]), latest, strict=False)


def _keys(answers: pa.Table) -> np.ndarray:
    """Give a number for each student, item and time, uint64 [n]: equal for the same answer, and hardly ever for others."""
    of_ids = []
    for name in ("student_id", "item_id"):
        ids = dictionary_of(answers[name])
        hashes = np.array([hash(text) for text in ids.dictionary.to_pylist()], np.int64).astype(np.uint64)
        of_ids.append(hashes[ids.indices.to_numpy()])
    times = answers["completed_at"].cast(pa.int64()).to_numpy().astype(np.uint64)
    return of_ids[0] * _FACTORS[0] + of_ids[1] * _FACTORS[1] + times * _FACTORS[2]
