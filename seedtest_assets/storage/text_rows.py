"""Rows of delimited text: which lines begin one, and which have a quote that was never closed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NEWLINE, _QUOTE = ord("\n"), ord('"')
_WHITESPACE = b" \t\v\f"
_BLOCK_BYTES = 4 << 20
_UP_TO_CLOSING_QUOTE = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')


@dataclass(frozen=True, kw_only=True)
class TextRows:
    """The rows of a text.

    text: its lines without blank ones and without `unclosed`. numbers: (n,) int64, those of the rows in `text`; 1 is the first
    row. unclosed: numbers of the rows whose quote is not closed.
    """

    text: bytes
    numbers: np.ndarray
    unclosed: Sequence[int]

    @property
    def n_rows(self) -> int:
        """Rows with the unclosed ones."""
        return len(self.numbers) + len(self.unclosed)


def split_rows(text: bytes, delimiter: str, n_columns: int) -> TextRows:
    r"""Tell the rows of a text whose lines end with \n, by its lines and quotes alone.

    A cell in quotes may hold line breaks. But where its first line and another one have the delimiters of a whole row each,
    the quote was a stray one: its own line is a row with an unclosed quote, and the lines below are rows of their own. Lines
    that are blank, or have delimiters only, are no rows.
    """
    if not text:
        return TextRows(text=text, numbers=np.empty(0, np.int64), unclosed=[])
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    lines = _Lines(text=text, starts=np.concatenate([[0], ends[:-1] + 1]), ends=ends, delimiter=delimiter.encode())
    within, unclosed = _within_quotes(lines, data, n_columns)
    blank = _blank_lines(lines, data)
    blank[within] = False
    begins_row = ~blank
    begins_row[within] = False
    numbers = np.cumsum(begins_row)
    left_out = blank
    left_out[unclosed] = True
    if left_out.any():
        text = b"".join(lines[line] + b"\n" for line in np.flatnonzero(~left_out).tolist())
    return TextRows(text=text, numbers=numbers[begins_row & ~left_out], unclosed=numbers[unclosed].tolist())


@dataclass(frozen=True, kw_only=True)
class _Lines:
    text: bytes
    starts: np.ndarray
    ends: np.ndarray
    delimiter: bytes

    def __getitem__(self, line: int) -> bytes:
        return self.text[self.starts[line] : self.ends[line]]

    def ends_in_quotes(self, line: int, *, begins_in_quotes: bool) -> bool:
        """Tell whether a cell in quotes goes on below a line. A quote opens one only as the first character of a cell."""
        rest, in_quotes = self[line], begins_in_quotes
        while True:
            if not in_quotes and rest.startswith(b'"'):
                in_quotes, rest = True, rest[1:]
            if in_quotes:
                closed = _UP_TO_CLOSING_QUOTE.match(rest)
                if not closed:
                    return True
                in_quotes, rest = False, rest[closed.end() :]
            _, delimiter, rest = rest.partition(self.delimiter)
            if not delimiter:
                return False


def _within_quotes(lines: _Lines, data: np.ndarray, n_columns: int) -> tuple[list[int], list[int]]:
    """List the lines that go on a row of the line above, and the lines whose quote is not closed."""
    within: list[int] = []
    unclosed: list[int] = []
    for line in _may_end_in_quotes(lines, data):
        if (within and line <= within[-1]) or not lines.ends_in_quotes(line, begins_in_quotes=False):
            continue
        last = _last_line(lines, line, n_columns)
        if last is None:
            unclosed.append(line)
        else:
            within += range(line + 1, last + 1)
    return within, unclosed


def _last_line(lines: _Lines, first: int, n_columns: int) -> int | None:
    """Find the line in which a quote of the first line is closed; None for a stray quote."""
    may_be_stray = lines[first].count(lines.delimiter) >= n_columns - 1
    for line in range(first + 1, len(lines.ends)):
        if may_be_stray and lines[line].count(lines.delimiter) >= n_columns - 1:
            return None
        if not lines.ends_in_quotes(line, begins_in_quotes=True):
            return line
    return None


def _may_end_in_quotes(lines: _Lines, data: np.ndarray) -> list[int]:
    """List the lines with an odd number of quotes, or with a quote that neither begins nor ends a cell nor is doubled."""
    odd, unusual = [], []
    first = 0
    while first < len(lines.ends):
        # Block by block, so that memory does not grow with the file.
        begin = int(lines.starts[first])
        last = max(first + 1, int(np.searchsorted(lines.ends, begin + _BLOCK_BYTES)))
        block = data[begin : lines.ends[last - 1]]
        quote = block == _QUOTE
        if quote.any():
            at_end = np.append(np.bitwise_xor.accumulate(quote), False)[lines.ends[first:last] - begin - 1]
            odd.append(first + np.flatnonzero(np.diff(at_end, prepend=False)))
            beside = quote | (block == _NEWLINE) | (block == lines.delimiter[0])
            quote[1:] &= ~beside[:-1]
            quote[:-1] &= ~beside[1:]
            quote[[0, -1]] = False  # there a line begins or ends
            unusual.append(first + np.searchsorted(lines.ends[first:last], begin + np.flatnonzero(quote)))
        first = last
    return np.unique(np.concatenate([*odd, *unusual])).tolist() if odd else []


def _blank_lines(lines: _Lines, data: np.ndarray) -> np.ndarray:
    nothing = _WHITESPACE + lines.delimiter
    blank = np.isin(data[lines.starts], np.frombuffer(nothing + b"\n", np.uint8))
    for line in np.flatnonzero(blank).tolist():
        blank[line] = not lines[line].strip(nothing)
    return blank
