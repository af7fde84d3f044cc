"""Rows of delimited text: which lines begin one, and which have a quote that was never closed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

_NEWLINE, _QUOTE = ord("\n"), ord('"')
_WHITESPACE = b" \t\v\f"
_BLOCK_BYTES = 4 << 20
_UP_TO_CLOSING_QUOTE = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')


@dataclass(frozen=True, kw_only=True)
class TextRows:
    """The rows of a text.

    text: its lines without blank ones and without `unclosed`. numbers: (n,) int64, those of the rows in `text`; 1 is the first
    row. unclosed: numbers of the rows whose quote is not closed. rest: where the text goes on, the lines at its end that belong to
    a row with an open quote, which the lines below may close.
    """

    text: bytes
    numbers: np.ndarray
    unclosed: Sequence[int]
    rest: bytes = b""

    @property
    def n_rows(self) -> int:
        """Rows with the unclosed ones."""
        return len(self.numbers) + len(self.unclosed)


def split_rows(text: bytes, delimiter: str, n_columns: int, *, goes_on: bool = False) -> TextRows:
    r"""Tell the rows of a text whose lines end with \n, by its lines and quotes alone. goes_on: whether more lines are below it.

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
    if (
        goes_on
        and (first := next((line for line in unclosed if not _is_stray(lines, line, n_columns)), None)) is not None
    ):
        above = split_rows(text[: lines.starts[first]], delimiter, n_columns)
        return replace(above, rest=text[lines.starts[first] :])
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


def n_plain_lines(text: bytes, delimiter: str) -> int | None:
    """Count the lines of a text that ends with its last line; None if one may be blank, or if the last has an open quote."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1]) if text.endswith(b"\n") else np.concatenate([[0], ends + 1])
    may_be_blank = np.zeros(256, bool)
    may_be_blank[list(_WHITESPACE + b"\n" + delimiter.encode())] = True
    if may_be_blank[data[starts]].any():
        return None
    last = _Lines(text=text, starts=starts[-1:], ends=np.array([len(text)]), delimiter=delimiter.encode())
    return None if last.ends_in_quotes(0, begins_in_quotes=False) else len(starts)


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


def _is_stray(lines: _Lines, first: int, n_columns: int) -> bool:
    """Tell whether the lines of a text suffice to call an unclosed quote of a line a stray one."""
    if lines[first].count(lines.delimiter) < n_columns - 1:
        return False
    below = range(first + 1, len(lines.ends))
    return any(lines[line].count(lines.delimiter) >= n_columns - 1 for line in below)


def _may_end_in_quotes(lines: _Lines, data: np.ndarray) -> list[int]:
    """List the lines of which not every first, third, ... quote begins a cell and every second one ends it, but for doubled ones."""
    beside_quotes = np.zeros(256, bool)
    beside_quotes[[_NEWLINE, _QUOTE, lines.delimiter[0]]] = True
    found = []
    first = 0
    while first < len(lines.ends):
        # Block by block, so that memory does not grow with the file.
        begin = int(lines.starts[first])
        last = max(first + 1, int(np.searchsorted(lines.ends, begin + _BLOCK_BYTES)))
        block = np.append(data[begin : lines.ends[last - 1]], np.uint8(_NEWLINE))
        quotes = np.flatnonzero(block == _QUOTE)
        if len(quotes):
            line = np.searchsorted(lines.ends[first:last] - begin, quotes)
            of_line = np.bincount(line, minlength=last - first)
            opens = (np.arange(len(quotes)) - (np.cumsum(of_line) - of_line)[line]) % 2 == 0
            # The first character has the line break at the block's end before it.
            regular = beside_quotes[block[np.where(opens, quotes - 1, quotes + 1)]]
            found += [first + np.flatnonzero(of_line % 2), first + line[~regular]]
        first = last
    return np.unique(np.concatenate(found)).tolist() if found else []


def _blank_lines(lines: _Lines, data: np.ndarray) -> np.ndarray:
    nothing = _WHITESPACE + lines.delimiter
    blank = np.isin(data[lines.starts], np.frombuffer(nothing + b"\n", np.uint8))
    for line in np.flatnonzero(blank).tolist():
        blank[line] = not lines[line].strip(nothing)
    return blank
