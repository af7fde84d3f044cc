"""A file of text is read in blocks, and where one block ends makes no difference."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedtest_assets.errors import InputError
from seedtest_assets.storage import text_encodings
from seedtest_assets.storage.text_tables import ROW, TextFile, read_text_table

HEADER = [frozenset({"user_id"})]


def read(path: Path, block_bytes: int, monkeypatch) -> tuple[list[dict], list[tuple[int, str]], list[str]] | str:
    """Read a file in blocks of a size; gives the refusal of a file that cannot be read."""
    monkeypatch.setattr(text_encodings, "_BLOCK_BYTES", block_bytes)
    try:
        table = read_text_table(path, HEADER)
    except InputError as error:
        return str(error).partition(" has ")[0]
    return table.rows.to_pylist(), list(table.misfits), list(table.notes)


@pytest.mark.slow
@pytest.mark.parametrize("block_bytes", [1, 7, 20])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.lists(st.sampled_from(["u", "", " ", "가", '"', '"u', 'u"v', '"u,v"', '"u\nv"', "\r"]), max_size=3).map(
                ",".join
            ),
            st.sampled_from(["user_id,q1", "user_id,q2,q1", "\ufeffuser_id,q1"]),
        ),
        max_size=12,
    )
)
def test_blocks_of_any_size_give_the_same_rows(monkeypatch, tmp_path, block_bytes, lines):
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["user_id,q1", *lines]), encoding="utf-8", newline="")
    assert read(path, block_bytes, monkeypatch) == read(path, 1 << 20, monkeypatch)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949"])
def test_an_encoding_that_only_shows_below_the_first_block_is_read(monkeypatch, tmp_path, encoding):
    text = "user_id,q1\r\n" + "u1,1\r\n" * 20 + "학생,0\r\n" * 3
    for path in (tmp_path / "log.csv", tmp_path / "log.csv.gz"):
        raw = text.encode(encoding)
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
        rows, misfits, notes = read(path, 16, monkeypatch)
        assert [(row["user_id"], row["q1"], row[ROW]) for row in rows[19:21]] == [("u1", "1", 20), ("학생", "0", 21)]
        assert (len(rows), misfits, notes) == (23, [], [] if encoding == "utf-8" else [f"read as {encoding.upper()}"])


def test_a_byte_of_another_encoding_far_below_is_refused_with_its_line(monkeypatch, tmp_path):
    monkeypatch.setattr(text_encodings, "_BLOCK_BYTES", 16)
    (tmp_path / "log.csv").write_bytes("user_id,q1\n학생,1\nu2,1\nu3,1\n".encode() + b"Jos\xe9,1\n")
    with pytest.raises(InputError, match="line 5 has the byte 0xE9"):
        read_text_table(tmp_path / "log.csv", HEADER)


def test_parts_have_the_numbers_of_their_rows_and_codes_where_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(text_encodings, "_BLOCK_BYTES", 16)
    (tmp_path / "log.csv").write_text("user_id,q1\n" + "".join(f"u{row % 3},1\n" for row in range(1, 30)) + "x\n")
    file = TextFile(tmp_path / "log.csv", HEADER)
    parts = list(file.parts(encoded={"user_id"}))
    assert len(parts) > 5
    assert [row for part in parts for row in part[ROW].to_pylist()] == list(range(1, 30))
    assert {str(part.schema.field("user_id").type) for part in parts} == {
        "dictionary<values=string, indices=int32, ordered=0>"
    }
    assert file.misfits == [(30, "1 cell where the header has 2")]


@pytest.mark.parametrize("write", [lambda text: text, gzip.compress])
def test_a_pipe_is_read(tmp_path, write):
    os.mkfifo(tmp_path / "log.csv")
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit((tmp_path / "log.csv").write_bytes, write(b"user_id,q1\nu1,1\n"))
        table = read_text_table(tmp_path / "log.csv", HEADER)
        writing.result()
    assert table.rows.to_pylist() == [{"user_id": "u1", "q1": "1", ROW: 1}]
