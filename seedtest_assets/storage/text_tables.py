"""Tables of text from CSV and Excel files: their delimiter and header row, and the rows that do not fit the header."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from seedtest_assets.errors import InputError, first_few, first_line, number_of
from seedtest_assets.storage.excel_sheets import read_sheet_as_csv
from seedtest_assets.storage.text_encodings import blocks_of_lines, text_blocks
from seedtest_assets.storage.text_rows import n_plain_lines, split_rows
from seedtest_assets.storage.two_threads import in_two_threads

HeaderNames = Sequence[frozenset[str]]
"""A row is a header if it has all names of one of these sets, in any case."""

ROW = "#row"
"""Column with the row's number in its file: 1 is the first row below the header, and blank rows do not count."""
_DELIMITERS = ",;\t|"
_LINES_ABOVE_HEADER = 50
"""Lines that are searched for the header."""
_BLOCK_BYTES = 8 << 20
"""Parsed at a time. A row must fit into it: one of 20,000 items is 40 kB or more."""
_ENCODED_TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The rows of a file below its header.

    rows: a text column for each name of the header, as it stands, and ROW, int64.
    misfits: (number, reason) of the rows that do not fit the header, which are not in `rows`.
    notes: what to tell about the reading, a sentence each.
    """

    rows: pa.Table
    misfits: Sequence[tuple[int, str]]
    notes: Sequence[str]


def read_text_table(path: Path, header_names: HeaderNames) -> TextTable:
    """Read all of a TextFile at once; raises InputError as it does."""
    file = TextFile(path, header_names)
    parts = list(file.parts())
    return TextTable(rows=pa.concat_tables(parts), misfits=sorted(file.misfits), notes=file.notes)


class TextFile:
    """A CSV, compressed or not, or an Excel file (.xlsx). The header is the first row with header_names, else the first row.

    names: of its columns. misfits: (number, reason) of the rows that do not fit the header; notes: what to tell about the reading, a
    sentence each. Both are whole when all parts have been read.
    Raises InputError for a file that cannot be read, an encoding that is not known, or two columns of the same name.
    """

    def __init__(self, path: Path, header_names: HeaderNames) -> None:
        self.path = path
        self.misfits: list[tuple[int, str]] = []
        self.notes: list[str] = []
        self._header_names = header_names
        self._blocks = self._read_blocks()
        self._first = next(self._blocks, b"")
        self._header = _find_header(path, self._first, header_names)
        refuse_repeated_names(path, self._header.names)
        if self._header.rows_above:
            self.notes.append(f"not read: {number_of(self._header.rows_above, 'row')} above the header")
        self._n_rows = 0
        self._second_header: int | None = None

    @property
    def names(self) -> Sequence[str]:
        return self._header.names

    def parts(self, encoded: Collection[str] = ()) -> Iterator[pa.Table]:
        """Read the rows some MB at a time, the first part even if there is none; once only.

        A part has a column for each name, text as it stands, dictionary-encoded if among `encoded`, and ROW. Each row is in a part or among
        the misfits, which is held to a count of the lines that is not the parser's.
        """
        blocks = chain([self._first[self._header.end :]], self._blocks)
        pending: list[bytes] = []
        size_of_open_row = 0
        n_parts = 0
        for block, parsed in in_two_threads(partial(self._of_plain_rows, encoded=encoded), blocks):
            if not pending and parsed is not None and self._second_header is None:
                yield self._numbered(parsed)
                n_parts += 1
                continue
            pending.append(block)
            # A row may go on for many blocks: it is looked at again when it may be twice as long.
            if sum(map(len, pending)) >= 2 * size_of_open_row:
                table, rest = self._of_any_rows(b"".join(pending), encoded, goes_on=True)
                pending, size_of_open_row = [rest] if rest else [], len(rest)
                yield table
                n_parts += 1
        if pending or not n_parts:
            yield self._of_any_rows(b"".join(pending), encoded, goes_on=False)[0]

    def _read_blocks(self) -> Iterator[bytes]:
        if self.path.suffix.lower() == ".xlsx":
            text, notes = read_sheet_as_csv(self.path)
            self.notes += notes
            return blocks_of_lines(text.encode())
        return text_blocks(self.path, self.notes)

    def _of_plain_rows(self, block: bytes, encoded: Collection[str]) -> "_Parsed | None":
        """Parse a block of which each line is a row; None for others: with blank lines, cells of several lines or headers.

        A line break in quotes makes the parser find fewer rows than lines. Only at the end of a block a quote may be open nevertheless.
        """
        if not block or self._header.unnamed or any(_headers_below(block, self._header, self._header_names)):
            return None
        n_rows = n_plain_lines(block, self._header.delimiter)
        if n_rows is None:
            return None
        try:
            parsed = _parsed(self.path, block, np.arange(1, n_rows + 1), self._header, encoded)
        except InputError:
            return None
        return parsed if len(parsed.rows) + len(parsed.misfits) == n_rows else None

    def _numbered(self, parsed: "_Parsed") -> pa.Table:
        """Give the rows of a part the numbers that they have in the file."""
        first = self._n_rows
        self._n_rows += len(parsed.rows) + len(parsed.misfits)
        self.misfits += [(first + row, reason) for row, reason in parsed.misfits]
        return parsed.rows.append_column(ROW, pa.array(parsed.numbers + first))

    def _of_any_rows(self, text: bytes, encoded: Collection[str], *, goes_on: bool) -> tuple[pa.Table, bytes]:
        """Read a part of any text, and give the lines at its end that belong to a row which the next lines may go on."""
        header = self._header
        headers = [] if self._second_header is not None else list(_headers_below(text, header, self._header_names))
        end = next((start for start, is_same in headers if not is_same), len(text))
        if self._second_header is not None:
            end = 0
        rows = split_rows(text[:end], header.delimiter, header.width, goes_on=goes_on and end == len(text))
        below = split_rows(text[end:], header.delimiter, header.width, goes_on=goes_on)
        first = self._n_rows
        parsed = _parsed(self.path, rows.text, rows.numbers, header, encoded)
        if len(parsed.rows) + len(parsed.misfits) + len(rows.unclosed) != rows.n_rows:
            raise InputError(
                f"{self.path} has {number_of(first + rows.n_rows, 'row')} or more, but "
                f"{first + len(parsed.rows) + len(parsed.misfits) + len(rows.unclosed):,} of them were read. "
                "Its quotes may be wrong: in a cell with quotes around it, write each quote twice"
            )
        table = self._numbered(parsed)
        self._n_rows = first + rows.n_rows
        self.misfits += [(first + row, "a quote is not closed") for row in rows.unclosed]
        if below.n_rows or below.rest:
            self._second_header = self._second_header or self._n_rows + 1
            reason = f"below a second header, in row {self._second_header}"
            self.misfits += [(self._n_rows + row, reason) for row in range(1, below.n_rows + 1)]
            self._n_rows += below.n_rows
        if headers:
            again = [
                pc.equal(pc.utf8_trim_whitespace(table[name].cast(pa.string())), name).to_numpy()
                for name in header.names
            ]
            table = _without(table, np.all(again, axis=0), "the header again", self.misfits)
        for name in header.unnamed:
            beyond = pc.not_equal(pc.utf8_trim_whitespace(table[name]), "").to_numpy()
            table = _without(table, beyond, "a cell in a column without a name", self.misfits)
        return table.drop_columns(header.unnamed), rows.rest + below.rest


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


def _find_header(path: Path, block: bytes, header_names: HeaderNames) -> _Header:
    """Find the first row that is a header with some delimiter; else the first row, with the delimiter that parts it most."""
    lines = [line + b"\n" for line in block.split(b"\n", 2 * _LINES_ABOVE_HEADER)[: 2 * _LINES_ABOVE_HEADER]]
    first_rows = []
    for delimiter in _DELIMITERS:
        for number, (cells, end) in enumerate(_first_rows(lines, delimiter)):
            names = cells[: 1 + max(at for at, cell in enumerate(cells) if cell)]
            header = _Header(names=names, width=len(cells), delimiter=delimiter, end=end, rows_above=number)
            if _has_names(names, header_names):
                return header
            if number == 0:
                first_rows.append(header)
    if not first_rows:
        raise InputError(f"{path} has blank lines only")
    return max(first_rows, key=lambda header: len(header.names))


def _first_rows(lines: Sequence[bytes], delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Give the trimmed cells of the row that begins at each of the first lines, unless blank, and where that row ends.

    At each line, because a stray quote above the header would hide it.
    """
    ends = np.cumsum([len(line) for line in lines])
    texts = [line.decode() for line in lines]
    for above in range(min(len(lines), _LINES_ABOVE_HEADER)):
        reader = csv.reader(texts[above:], delimiter=delimiter)
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
        encoded = [name.encode() for name in names]
        if not all(name in lower for name in encoded):
            continue
        rarest = min(encoded, key=lower.count)
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


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    """rows: those of the header's width. numbers: int64, of these. misfits: (number, reason) of the others."""

    rows: pa.Table
    numbers: np.ndarray
    misfits: Sequence[tuple[int, str]]


def _parsed(path: Path, text: bytes, numbers: np.ndarray, header: _Header, encoded: Collection[str]) -> _Parsed:
    """Parse rows as text; those of another width are misfits."""
    columns = [*header.names, *header.unnamed]
    types = {name: _ENCODED_TEXT if name in encoded else pa.string() for name in columns}
    if not len(numbers):
        return _Parsed(rows=pa.schema(types.items()).empty_table(), numbers=numbers, misfits=[])
    wrong_width: list[int] = []
    misfits: list[tuple[int, str]] = []

    def leave_out(row: pa.csv.InvalidRow) -> str:
        wrong_width.append(row.number - 1)
        width = number_of(row.actual_columns, "cell")
        misfits.append((int(numbers[row.number - 1]), f"{width} where the header has {header.width}"))
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(text),
            # In one thread, because only then the parser knows the numbers of the rows.
            pa.csv.ReadOptions(column_names=columns, use_threads=False, block_size=_BLOCK_BYTES),
            pa.csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=leave_out),
            pa.csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    return _Parsed(rows=table, numbers=np.delete(numbers, wrong_width), misfits=misfits)


def _without(table: pa.Table, rows: np.ndarray, reason: str, misfits: list[tuple[int, str]]) -> pa.Table:
    """Leave rows (of which a mask) out of a table, and add them to the misfits."""
    if not rows.any():
        return table
    misfits += [(row, reason) for row in table[ROW].filter(pa.array(rows)).to_pylist()]
    kept = table.filter(pa.array(~rows))
    # Encoded anew: what only these rows have would be taken for a student or an item of the file.
    columns = [
        column.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(column.type) else column
        for column in kept.columns
    ]
    return pa.table(columns, schema=kept.schema)
