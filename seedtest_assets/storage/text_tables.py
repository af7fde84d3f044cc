"""Tables of text from CSV and Excel files: their encoding, delimiter and header row, and the rows that do not fit the header."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from seedtest_assets.errors import InputError, first_few, first_line

HeaderNames = Sequence[frozenset[str]]
"""A row is a header if it has all names of one of these sets, in any case."""

ROW = "#row"
"""Column with the row's number in its file: 1 is the first row below the header, and blank rows do not count."""
_DELIMITERS = ",;\t|"
_ROWS_ABOVE_HEADER = 50
"""Rows that are searched for the header."""
_SEARCHED_FOR_HEADER = 4 << 20
"""Characters at the beginning of a file in which its header ends."""
_BLOCK_BYTES = 8 << 20
"""Read at a time. A row must fit into it: one of 20,000 items is 40 kB or more."""
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The rows of a file below its header.

    rows: a text column for each name of the header, as it stands but trimmed, and ROW, int64.
    misfits: (number, reason) of the rows that do not fit the header, which are not in `rows`.
    notes: what to tell about the reading, a sentence each.
    """

    rows: pa.Table
    misfits: Sequence[tuple[int, str]]
    notes: Sequence[str]


def read_text_table(path: Path, header_names: HeaderNames) -> TextTable:
    """Read a CSV (.gz: compressed) or an Excel file (.xlsx). The header is the first row with header_names, else the first row.

    Raises InputError for a file that cannot be read, an encoding that is not known, or two columns of the same name.
    """
    try:
        text, notes = _excel_as_csv(path) if path.suffix.lower() == ".xlsx" else _decoded(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or first_line(error)}") from None
    except (EOFError, zlib.error):
        raise InputError(f"{path} cannot be read: its compressed data are not whole") from None
    header = _find_header(text, header_names)
    refuse_repeated_names(path, header.names)
    if header.rows_above:
        notes.append(f"{header.rows_above:,} rows above the header were not read")
    rows, misfits = _rows_below(path, text, header)
    rows, below = _up_to_second_header(rows, header, header_names)
    return TextTable(rows=rows, misfits=sorted(misfits + below), notes=notes)


def refuse_repeated_names(path: Path, names: Sequence[str]) -> None:
    """Raise InputError where two columns have the same name: nobody could tell which of them an anchor means."""
    repeated = [name or "(blank)" for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"{path} has several columns named {first_few(repeated)}. Give each column a name of its own")


@dataclass(frozen=True, kw_only=True)
class _Header:
    names: list[str]
    delimiter: str
    last_line: int
    rows_above: int


def _find_header(text: str, header_names: HeaderNames) -> _Header:
    """Find the first row that is a header with some delimiter; else the first row, with the delimiter that parts it most."""
    first_rows = []
    for delimiter in _DELIMITERS:
        for number, (names, last_line) in enumerate(_first_rows(text, delimiter)):
            header = _Header(names=names, delimiter=delimiter, last_line=last_line, rows_above=number)
            if _has_names(names, header_names):
                return header
            if number == 0:
                first_rows.append(header)
    if not first_rows:
        return _Header(names=[], delimiter=",", last_line=0, rows_above=0)
    return max(first_rows, key=lambda header: len(header.names))


def _first_rows(text: str, delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Give the trimmed cells of the first rows that are not blank, and the line that each ends on."""
    reader = csv.reader(io.StringIO(text[:_SEARCHED_FOR_HEADER], newline=""), delimiter=delimiter)
    try:
        for cells in islice((cells for cells in reader if any(cells)), _ROWS_ABOVE_HEADER):
            yield [cell.strip() for cell in cells], reader.line_num
    except csv.Error:  # a cell of many thousand characters: no header is so long
        return


def _rows_below(path: Path, text: str, header: _Header) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Parse the rows below the header as text; rows of another width are misfits."""
    wrong_width: list[tuple[int, int]] = []

    def keep_number(row: pa.csv.InvalidRow) -> str:
        wrong_width.append((row.number - header.last_line, row.actual_columns if row.text.strip() else 0))
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(text.encode()),
            # In one thread, because only then the parser knows the numbers of the rows.
            pa.csv.ReadOptions(
                column_names=header.names or [ROW],
                skip_rows=header.last_line,
                use_threads=False,
                block_size=_BLOCK_BYTES,
            ),
            pa.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=keep_number),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(header.names, pa.string())),
        )
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    numbers = _numbers_without({row for row, _ in wrong_width}, len(table))
    misfits = [
        (row, f"{_cells(width)} where the header has {len(header.names)}") for row, width in wrong_width if width
    ]
    return table.append_column(ROW, numbers), misfits


def _cells(width: int) -> str:
    return "1 cell" if width == 1 else f"{width} cells"


def _numbers_without(taken: set[int], n_rows: int) -> pa.Array:
    """Number rows from 1, leaving out the numbers that are taken."""
    numbers = range(1, n_rows + len(taken) + 1)
    return pa.array([row for row in numbers if row not in taken] if taken else numbers, pa.int64())


def _has_names(cells: Sequence[str], header_names: HeaderNames) -> bool:
    found = {cell.lower() for cell in cells}
    return any(names <= found for names in header_names)


def _up_to_second_header(
    rows: pa.Table, header: _Header, header_names: HeaderNames
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Cut the rows where a second header stands: below it the columns may have another order.

    A row that repeats the first header changes nothing, and is one misfit.
    """
    misfits = []
    keep = np.ones(len(rows), bool)
    for position in _header_rows(rows.select(header.names), header_names):
        number = rows[ROW][position].as_py()
        cells = [rows[name][position].as_py().strip() for name in header.names]
        if cells != header.names:
            misfits += [(row, f"below a second header, in row {number}") for row in rows[ROW][position:].to_pylist()]
            keep[position:] = False
            break
        misfits.append((number, "the header again"))
        keep[position] = False
    return rows.filter(keep) if misfits else rows, misfits


def _header_rows(cells: pa.Table, header_names: HeaderNames) -> list[int]:
    """Find the rows that have all names of a header."""
    columns = [pc.utf8_lower(pc.utf8_trim_whitespace(column)) for column in cells.columns]
    found = np.zeros(len(cells), bool)
    for names in header_names:
        has_all = np.ones(len(cells), bool)
        for name in names:
            has_all &= np.any([pc.equal(column, name).to_numpy() for column in columns], axis=0)
        found |= has_all
    return [int(position) for position in np.flatnonzero(found)]


def _decoded(path: Path) -> tuple[str, list[str]]:
    """Read a text file as UTF-8, UTF-16 or CP949; gives the text, and a note for all but UTF-8."""
    raw = path.read_bytes()
    if path.suffix.lower() == ".gz":
        raw = gzip.decompress(raw)
    if raw.startswith(_ZIP):
        raise InputError(
            f"{path} is an Excel file or an archive. Name an Excel file .xlsx, or save its sheet as CSV UTF-8"
        )
    if raw.startswith(_OLD_EXCEL):
        raise InputError(f"{path} is a file of an old Excel. Save it as .xlsx, or as CSV UTF-8")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace"), ["read as UTF-16"]
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        fault = error
    try:
        text = raw.decode("cp949")
    except UnicodeDecodeError:
        text = ""
    if text and _is_korean(text):
        return text, ["read as CP949"]
    line = raw.count(b"\n", 0, fault.start) + 1
    raise InputError(
        f"{path} is neither UTF-8, UTF-16 nor CP949: line {line} has the byte 0x{raw[fault.start]:02X}. "
        "It may be Latin-1 or Windows-1252. Save it as UTF-8, in Excel as CSV UTF-8"
    )


def _is_korean(text: str) -> bool:
    """Tell whether text that was decoded as CP949 is meant so.

    An accented letter of Latin-1 and the letter after it give a syllable, too, but one whose second byte is ASCII. Those are
    the syllables that CP949 adds to KS X 1001, which hardly any word has.
    """
    letters = re.sub(r"[\x00-\x7f]", "", text).encode("cp949")
    second = letters[1::2]
    return sum(byte > 0xA0 for byte in second) > 0.9 * len(second)


def _excel_as_csv(path: Path) -> tuple[str, list[str]]:
    """Give the first sheet of an Excel file as CSV, every row as wide as the widest of its first rows."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is an Excel file, and openpyxl, which reads them, is not installed: pip install 'seedtest-assets[excel]'"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError:
        raise
    except Exception as error:  # openpyxl and zipfile raise many kinds for a file that is none of Excel's
        raise InputError(f"{path} cannot be read as an Excel file: {first_line(error)}") from None
    sheet = book.worksheets[0]
    rows = [_without_blank_end([_cell_text(value) for value in row]) for row in sheet.iter_rows(values_only=True)]
    width = max(map(len, rows[:_ROWS_ABOVE_HEADER]), default=0)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*row, *[""] * (width - len(row))] for row in rows if row)
    notes = (
        [f"only the first of {len(book.worksheets)} sheets was read: {sheet.title}"] if len(book.worksheets) > 1 else []
    )
    return text.getvalue(), notes


def _without_blank_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
