"""Values of answer files from text: blanks around them do not matter, and what cannot be read is quoted."""

import pyarrow as pa
import pytest

from seedtest_assets.storage.answer_values import Reasons, ValueReader


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        (
            "completed_at",
            [" 2025-03-09 10:00 ", "2025. 3. 9. 10:00 ", " 1741514400 "],
            ["2025-03-09 10:00:00+00:00"] * 3,
        ),
        ("response_time_ms", [" 12 ", "12.4 ", "12"], ["12"] * 3),
        ("hint_used", [" Yes ", "T ", "1"], ["True"] * 3),
        ("score", [" 1.5 ", "1.50", "1.5 "], ["1.5"] * 3),
    ],
)
def test_blanks_around_values_do_not_matter_and_blanks_alone_are_nothing(name, texts, expected):
    reasons = Reasons(6)
    values = ValueReader().read(pa.table({name: [*texts, "", "  ", None]}), reasons)
    assert [str(value) for value in values[name].to_pylist()] == [*expected, "None", "None", "None"]
    assert reasons.of_rows.null_count == 6


def test_a_value_that_cannot_be_read_is_quoted_once_for_its_row():
    reasons = Reasons(3)
    ValueReader().read(
        pa.table({"completed_at": ["soon", None, "2025-03-09"], "response_time_ms": ["x", "y", "1"]}), reasons
    )
    assert reasons.of_rows.to_pylist() == [
        "completed_at is no time: soon",
        "response_time_ms is no number of milliseconds: y",
        None,
    ]
