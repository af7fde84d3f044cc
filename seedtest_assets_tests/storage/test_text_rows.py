"""Rows of a text are told by its lines and quotes, and the parser has to find as many."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedtest_assets.storage import text_rows
from seedtest_assets.storage.text_rows import split_rows


def numbers(text: str, n_columns: int = 3) -> tuple[list[int], list[int]]:
    rows = split_rows(text.encode(), ",", n_columns)
    return rows.numbers.tolist(), list(rows.unclosed)


def test_a_cell_in_quotes_may_hold_line_breaks_and_quotes():
    assert numbers('a,"b\nc ""d"" e\n",f\n\ng,h,i\n') == ([1, 2], [])


def test_a_quote_within_a_cell_is_a_character():
    assert numbers('a,5",b\nc,"d",e') == ([1, 2], [])


def test_a_line_with_the_cells_of_a_row_is_a_row_though_a_quote_is_open():
    assert numbers('a,"b,c\nd,e,f\ng,"h,i\n') == ([2], [1, 3])


def test_blank_lines_are_no_rows():
    rows = split_rows(b"\n a,b,c\n  \n,,\nd,e,f\n", ",", 3)
    assert rows.text == b" a,b,c\nd,e,f\n"
    assert rows.numbers.tolist() == [1, 2]


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from('a" \n'), max_size=6), st.text(st.sampled_from('a",'), max_size=3), st.just("x")
        ),
        max_size=8,
    )
)
def test_what_a_csv_writer_writes_is_split_as_it_was_written(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert numbers(text.getvalue()) == (list(range(1, len(rows) + 1)), [])


@given(st.text(st.sampled_from('ab,"\n'), max_size=60))
def test_each_line_that_is_not_blank_is_a_row_or_goes_on_one(text):
    rows = split_rows(text.encode(), ",", 2)
    written = len([line for line in text.split("\n") if line.strip(",")])
    assert rows.n_rows <= written
    if '"' not in text:
        assert rows.n_rows == written


@pytest.mark.parametrize("block_bytes", [1, 5, 16])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('ab,"\n'), max_size=60))
def test_the_blocks_that_quotes_are_looked_for_in_make_no_difference(monkeypatch, block_bytes, text):
    monkeypatch.setattr(text_rows, "_BLOCK_BYTES", 4 << 20)
    whole = split_rows(text.encode(), ",", 2)
    monkeypatch.setattr(text_rows, "_BLOCK_BYTES", block_bytes)
    in_blocks = split_rows(text.encode(), ",", 2)
    assert (in_blocks.text, in_blocks.numbers.tolist(), list(in_blocks.unclosed)) == (
        whole.text,
        whole.numbers.tolist(),
        list(whole.unclosed),
    )
