"""Tables of text from CSV and Excel files: their delimiter and header row, and the rows that do not fit the header."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from seedtest_assets.errors import InputError, first_few, first_line, number_of
from seedtest_assets.storage.excel_sheets import read_sheet_as_csv
from seedtest_assets.storage.text_encodings import read_text
from seedtest_assets.storage.text_rows import TextRows, split_rows

HeaderNames = Sequence[frozenset[str]]
"""A row is a header if it has all names of one of these sets, in any case."""

ROW = "#row"
"""Column with the row's number in its file: 1 is the first row below the header, and blank rows do not count."""
_DELIMITERS = ",;\t|"
_LINES_ABOVE_HEADER = 50
"""Lines that are searched for the header."""
_BLOCK_BYTES = 8 << 20
"""Read at a time. A row must fit into it: one of 20,000 items is 40 kB or more."""


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
    """Read a CSV, compressed or not, or an Excel file (.xlsx). The header is the first row with header_names, else the first row.

    Each row is in the table or among its misfits, which is held to a count of the lines that is not the parser's.
    Raises InputError for a file that cannot be read, an encoding that is not known, or two columns of the same name.
    """
    text, notes = read_sheet_as_csv(path) if path.suffix.lower() == ".xlsx" else read_text(path)
    header = _find_header(path, text, header_names)
    refuse_repeated_names(path, header.names)
    if header.rows_above:
        notes.append(f"not read: {number_of(header.rows_above, 'row')} above the header")
    body = text[header.end :].encode()
    headers = list(_headers_below(body, header, header_names))
    end = next((start for start, is_same in headers if not is_same), len(body))
    rows, below = (split_rows(part, header.delimiter, header.width) for part in (body[:end], body[end:]))
    table, misfits = _parsed(path, rows, header)
    misfits += [(row, "a quote is not closed") for row in rows.unclosed]
    second = rows.n_rows + 1
    misfits += [(row, f"below a second header, in row {second}") for row in range(second, second + below.n_rows)]
    if len(table) + len(misfits) != rows.n_rows + below.n_rows:
        raise InputError(
            f"{path} has {number_of(rows.n_rows + below.n_rows, 'row')}, but {len(table) + len(misfits):,} were read. "
            "Its quotes may be wrong: in a cell with quotes around it, write each quote twice"
        )
    if headers:
        again = [pc.equal(pc.utf8_trim_whitespace(table[name]), name).to_numpy() for name in header.names]
        table = _without(table, np.all(again, axis=0), "the header again", misfits)
    for name in header.unnamed:
        beyond = pc.not_equal(pc.utf8_trim_whitespace(table[name]), "").to_numpy()
        table = _without(table, beyond, "a cell in a column without a name", misfits)
    return TextTable(rows=table.drop_columns(header.unnamed), misfits=sorted(misfits), notes=notes)


def refuse_repeated_names(path: Path, names: Sequence[str]) -> None:
    """Raise InputError where two columns have the same name: nobody could tell which of them an anchor means."""
    repeated = [name or "(blank)" for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"{path} has several columns named {first_few(repeated)}. Give each column a name of its own")


@dataclass(frozen=True, kw_only=True)
class _Header:
    """names: without the blank ones at the end that Excel adds. width: cells with those. end: where the rows below begin."""

    names: list[str]
    width: int
    delimiter: str
    end: int
    rows_above: int

    @property
    def unnamed(self) -> list[str]:
        """Names for the columns without one at the end."""
        return [f"#{column}" for column in range(len(self.names), self.width)]


def _find_header(path: Path, text: str, header_names: HeaderNames) -> _Header:
    """Find the first row that is a header with some delimiter; else the first row, with the delimiter that parts it most."""
    first_rows = []
    for delimiter in _DELIMITERS:
        for number, (cells, end) in enumerate(_first_rows(text, delimiter)):
            names = cells[: 1 + max(at for at, cell in enumerate(cells) if cell)]
            header = _Header(names=names, width=len(cells), delimiter=delimiter, end=end, rows_above=number)
            if _has_names(names, header_names):
                return header
            if number == 0:
                first_rows.append(header)
    if not first_rows:
        raise InputError(f"{path} has blank lines only")
    return max(first_rows, key=lambda header: len(header.names))


def _first_rows(text: str, delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Give the trimmed cells of the row that begins at each of the first lines, unless blank, and where that row ends.

    At each line, because a stray quote above the header would hide it.
    """
    lines = [line + "\n" for line in text.split("\n", 2 * _LINES_ABOVE_HEADER)[: 2 * _LINES_ABOVE_HEADER]]
    ends = np.cumsum([len(line) for line in lines])
    for above in range(min(len(lines), _LINES_ABOVE_HEADER)):
        reader = csv.reader(lines[above:], delimiter=delimiter)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except csv.Error:  # a cell of many thousand characters: no header is so long
            continue
        if any(cells):
            yield cells, int(ends[above + reader.line_num - 1])


def _has_names(cells: Sequence[str], header_names: HeaderNames) -> bool:
    found = {cell.lower() for cell in cells}
    return any(names <= found for names in header_names)


def _headers_below(body: bytes, header: _Header, header_names: HeaderNames) -> Iterator[tuple[int, bool]]:
    """Find the lines below the header that are headers, too: where each starts, and whether it has the same names.

    Such a line may begin with the last row of a file that did not end its last line.
    """
    lower = body.lower()
    starts = set()
    for names in header_names:
        rarest = min((name.encode() for name in names), key=lower.count)
        position = lower.find(rarest)
        while position >= 0:
            starts.add(body.rfind(b"\n", 0, position) + 1)
            position = lower.find(rarest, position + 1)
    for start in sorted(starts):
        end = body.find(b"\n", start)
        line = body[start : end if end >= 0 else len(body)].decode()
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=header.delimiter))]
        first, *others = cells[-len(header.names) :]
        is_same = first.endswith(header.names[0]) and others == header.names[1:]
        if is_same or _has_names(cells, header_names) or _is_row_and_header(cells, header, header_names):
            yield start, is_same


def _is_row_and_header(cells: Sequence[str], header: _Header, header_names: HeaderNames) -> bool:
    """Tell whether cells are more than a row has and end with the names of a header."""
    lower = [cell.lower() for cell in cells]
    ends = (all(any(cell.endswith(name) for cell in lower) for name in names) for names in header_names)
    return len(cells) > header.width and any(ends)


def _parsed(path: Path, rows: TextRows, header: _Header) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Parse rows as text; those of another width are misfits."""
    columns = [*header.names, *header.unnamed]
    if not len(rows.numbers):
        return pa.table({name: pa.array([], pa.string()) for name in columns} | {ROW: pa.array([], pa.int64())}), []
    wrong_width: list[int] = []
    misfits: list[tuple[int, str]] = []

    def leave_out(row: pa.csv.InvalidRow) -> str:
        wrong_width.append(row.number - 1)
        width = number_of(row.actual_columns, "cell")
        misfits.append((int(rows.numbers[row.number - 1]), f"{width} where the header has {header.width}"))
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(rows.text),
            # In one thread, because only then the parser knows the numbers of the rows.
            pa.csv.ReadOptions(column_names=columns, use_threads=False, block_size=_BLOCK_BYTES),
            pa.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=leave_out),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
        )
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    return table.append_column(ROW, pa.array(np.delete(rows.numbers, wrong_width))), misfits


def _without(table: pa.Table, rows: np.ndarray, reason: str, misfits: list[tuple[int, str]]) -> pa.Table:
    """Leave rows (of which a mask) out of a table, and add them to the misfits."""
    if not rows.any():
        return table
    misfits += [(row, reason) for row in table[ROW].filter(pa.array(rows)).to_pylist()]
    return table.filter(pa.array(~rows))
