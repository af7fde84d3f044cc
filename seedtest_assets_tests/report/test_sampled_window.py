"""The report of a window that is read in parts: curves from some of them, counts from all."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from seedtest_assets.report import data as report_data
from seedtest_assets.report.item_table import left_out_items
from seedtest_assets.report.page import calibration_page
from seedtest_assets.report.time_pictures import answers_per_day


def parted(data):
    answers = data.parts[0]
    number = np.array([sum(name.encode()) % 4 for name in answers["student_id"].to_pylist()])
    return replace(data, parts=[answers.filter(pa.array(number == k)) for k in range(4)])


def test_counts_are_those_of_all_parts(data):
    pd.testing.assert_frame_equal(answers_per_day(parted(data)), answers_per_day(data))
    fewer = replace(data, items=data.items.iloc[3:])
    pd.testing.assert_frame_equal(left_out_items(parted(fewer)), left_out_items(fewer))
    assert len(left_out_items(fewer)) >= 3
    assert not parted(data).is_sample


@pytest.mark.slow
@pytest.mark.usefixtures("words_only")
def test_curves_of_a_large_window_are_those_of_some_students_and_the_page_says_so(data, monkeypatch):
    parts = parted(data)
    monkeypatch.setattr(report_data, "MOST_ANSWERS", 2 * len(parts.parts[0]))
    assert len(parts.answers) == len(parts.parts[0]) + len(parts.parts[1])
    assert parts.is_sample
    students = pc.count_distinct(parts.answers["student_id"]).as_py()
    page = calibration_page(parts)
    assert f"a random sample of the students, {students / len(data.abilities):.0%} of all" in page
    assert "random sample" not in re.sub("<script.*?</script>", "", calibration_page(data), flags=re.DOTALL)
