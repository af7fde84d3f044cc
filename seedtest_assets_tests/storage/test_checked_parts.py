"""An import reads a file in parts, and comes to the same answers and bad rows as a reading of the whole file."""

from contextlib import closing

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.errors import InputError
from seedtest_assets.storage import checked_parts, file_rows
from seedtest_assets.storage.answer_files import read_answer_file
from seedtest_assets.storage.answer_parts import AnswerParts
from seedtest_assets.storage.checked_parts import CheckedParts
from seedtest_assets.storage.importing import import_answers
from seedtest_assets.storage.kept_parts import PartsOnDisk
from seedtest_assets.storage.mark_rules import MARKS_AS_THEY_ARE
from seedtest_assets.usable_answers import REPEATED
from seedtest_assets_tests.conftest import rows_of

ORDER = ["completed_at", "student_id", "item_id"]


def log(seed: int) -> pd.DataFrame:
    """Simulate 60 rows of few students, items and times, so that many are the same answer; some are bad."""
    random = np.random.default_rng(seed)
    draw = random.choice
    times = pd.Timestamp("2025-03-09", tz="UTC") + pd.to_timedelta(random.integers(0, 4, 60), unit="h")
    return pd.DataFrame(
        {
            "student_id": draw(["a", "b", " b", None], 60, p=[0.5, 0.3, 0.1, 0.1]),
            "item_id": draw(["1", "2", "3"], 60),
            "topic_id": draw(["t", "u", None], 60),
            "correct": draw(["1", "0", "maybe", ""], 60, p=[0.5, 0.4, 0.05, 0.05]),
            "completed_at": np.where(random.random(60) < 0.95, times.astype(str), draw(["soon", "late"], 60)),
        }
    )


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(file_rows, "ROWS_OF_A_PART", 7)
    monkeypatch.setattr(checked_parts, "_KEYS_AT_ONCE", 9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_parts_give_the_answers_and_bad_rows_of_the_whole_file(monkeypatch, tmp_path, seed):
    log(seed).to_parquet(tmp_path / "log.parquet")
    whole = read_answer_file(tmp_path / "log.parquet", needs_topic=True)
    monkeypatch.setattr(file_rows, "ROWS_OF_A_PART", 7)
    monkeypatch.setattr(checked_parts, "_KEYS_AT_ONCE", 9)
    with closing(PartsOnDisk()) as kept:
        file = AnswerParts(tmp_path / "log.parquet", kept, needs_time=True, needs_topic=True, rules=MARKS_AS_THEY_ARE)
        with CheckedParts(file) as parts:
            answers = pa.concat_tables(part.cast(whole.answers.cast(parts_schema(part)).schema) for part in parts)
            assert answers.sort_by([(name, "ascending") for name in ORDER]).to_pylist() == whole.answers.to_pylist()
            assert parts.n == len(whole.answers)
            assert parts.notes == whole.notes
            assert not parts.in_order
    # Of the same answer in several rows another one may be the one that counts, but it has the same mark.
    assert parts.bad["reason"].value_counts().to_dict() == whole.bad["reason"].value_counts().to_dict()
    others = parts.bad["reason"] != REPEATED
    assert parts.bad[others].equals(whole.bad[whole.bad["reason"] != REPEATED])


def parts_schema(part: pa.Table) -> pa.Schema:
    """Give the schema of a part without codes."""
    types = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in part.schema.types]
    return pa.schema(zip(part.column_names, types, strict=True))


def test_answers_of_a_file_in_no_order_are_loaded_in_the_order_of_time(settings, platform, tmp_path, small_parts):
    times = pd.date_range("2025-03-09", periods=40, freq="h", tz="UTC")
    shuffled = np.random.default_rng(1).permutation(40)
    answers = pd.DataFrame(
        {
            "student_id": "s",
            "item_id": shuffled.astype(str),
            "topic_id": "t",
            "correct": True,
            "completed_at": times[shuffled],
        }
    )
    answers.to_parquet(tmp_path / "log.parquet")
    done = import_answers(tmp_path / "log.parquet", settings)
    assert (done.n_new, done.first_day, done.last_day) == (40, "2025-03-09", "2025-03-10")
    assert rows_of(platform, "SELECT completed_at FROM attempt ORDER BY id") == [(time,) for time in times]


def test_answers_after_all_known_ones_are_copied_and_a_second_time_known(settings, platform, tmp_path, small_parts):
    times = pd.date_range("2025-03-09", periods=40, freq="h", tz="UTC")
    answers = pd.DataFrame({"student_id": "s", "item_id": "i", "topic_id": "t", "correct": True, "completed_at": times})
    answers.head(20).to_parquet(tmp_path / "first.parquet")
    answers.tail(20).to_parquet(tmp_path / "second.parquet")
    answers.to_parquet(tmp_path / "both.parquet")
    n_new = [import_answers(tmp_path / f"{name}.parquet", settings).n_new for name in ("first", "second", "both")]
    assert n_new == [20, 20, 0]
    assert rows_of(platform, "SELECT completed_at FROM attempt ORDER BY id") == [(time,) for time in times]


def test_a_file_with_a_header_only_is_refused_in_one_line(settings, tmp_path):
    (tmp_path / "log.csv").write_text("student_id,item_id,topic_id,correct,completed_at\n")
    with pytest.raises(InputError, match=r"log\.csv has no usable answers"):
        import_answers(tmp_path / "log.csv", settings)
