"""A random sample of the students: whole students, about as many answers as wanted, and none where all are needed."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from seedtest_assets.student_sample import sample_of_students


def part_of(students: range, each: int = 10) -> pa.Table:
    names = np.repeat([f"student-{number}" for number in students], each)
    return pa.table({"student_id": names, "answer": np.arange(len(names))})


PARTS = [part_of(range(start, start + 100)) for start in (0, 100, 200, 300)]


@pytest.mark.parametrize(("most", "n_parts"), [(999, 1), (1000, 1), (2500, 2), (3999, 3)])
def test_as_many_parts_as_have_about_so_many_answers(most, n_parts):
    assert sample_of_students(PARTS, most) == PARTS[:n_parts]


@pytest.mark.parametrize("parts", [PARTS, PARTS[:1]])
def test_no_sample_where_there_are_hardly_more(parts):
    assert sample_of_students(parts, 1000 * len(parts)) is None
    assert sample_of_students(parts, 1000 * len(parts) + 1) is None


def test_of_a_part_that_is_larger_some_students_with_all_of_their_answers():
    part = part_of(range(2000))
    (sample,) = sample_of_students([part, *PARTS], 4000)
    assert 3000 < len(sample) < 5000
    chosen = set(sample["student_id"].to_pylist())
    frame = part.to_pandas()
    pd.testing.assert_frame_equal(sample.to_pandas(), frame[frame["student_id"].isin(chosen)].reset_index(drop=True))
