"""Text of a file whatever its encoding, and one line for a file that is no text."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from seedtest_assets.errors import InputError, first_line

_GZIP = b"\x1f\x8b"
_NO_TEXT = {
    b"PK\x03\x04": "is an Excel file or an archive. Name an Excel file .xlsx, or save its sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is a file of an old Excel. Save it as .xlsx, or as CSV UTF-8",
    b"PAR1": "is a Parquet file. Name it .parquet",
    codecs.BOM_UTF32_LE: "is UTF-32. Save it as UTF-8",
    codecs.BOM_UTF32_BE: "is UTF-32. Save it as UTF-8",
}
"""First bytes of files that cannot be read as text, and what to say of them."""
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|table|\?xml|!--)", re.IGNORECASE)
_BOM = codecs.BOM_UTF8
_BLOCK_BYTES = 8 << 20
"""Read at a time."""


def text_blocks(path: Path, notes: list[str]) -> Iterator[bytes]:
    r"""Read a text file, compressed by gzip or not, in blocks of some MB of UTF-8; each ends with \n or with the text.

    UTF-8, UTF-16 and CP949 are read; what is to be said of the encoding is added to `notes`, a sentence each. A byte order mark
    within the text is the beginning of another file that was pasted there, and so of a line.
    Raises InputError for a file that cannot be read or is none of these.
    """
    try:
        with path.open("rb") as file:
            yield from _blocks(path, _decompressed(file), notes)
    except (EOFError, zlib.error):
        raise InputError(f"{path} cannot be read: its compressed data are not whole") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or first_line(error)}") from None


def blocks_of_lines(text: bytes) -> Iterator[bytes]:
    r"""Cut a text into blocks of some MB; each ends with \n or with the text."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + _BLOCK_BYTES) + 1 or len(text)
        yield text[start:end]
        start = end


def _decompressed(file: BufferedReader) -> IO[bytes]:
    """Give what a file holds; its first bytes are not taken away, because a pipe has them only once."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if file.peek(len(_GZIP)).startswith(_GZIP) else file


def _blocks(path: Path, file: IO[bytes], notes: list[str]) -> Iterator[bytes]:
    raw = file.read(_BLOCK_BYTES)
    _refuse_other_kinds(path, raw)
    encoding = _utf_16(raw)
    if encoding:
        notes.append("read as UTF-16")
        text = (raw + file.read()).decode(encoding, errors="replace").encode()
        _refuse_web_page(path, text)
        yield from blocks_of_lines(_with_plain_ends_of_lines(text))
        return
    lines, other_letters = 0, False
    while raw:
        if raw.endswith(b"\r"):
            raw += file.read(1)
        following = file.read(_BLOCK_BYTES)
        end = max(raw.rfind(b"\n"), raw.rfind(b"\r")) + 1 if following else len(raw)
        block, rest = raw[:end], raw[end:]
        if not _is_utf_8(block):
            # All blocks above are the same text in CP949 if they are ASCII.
            block = _korean(path, block + rest + following + file.read(), lines, refused=other_letters)
            notes.append("read as CP949")
            rest = following = b""
        if not lines:
            _refuse_web_page(path, block)
        lines += block.count(b"\n")
        other_letters = other_letters or not block.isascii()
        yield from blocks_of_lines(_with_plain_ends_of_lines(block))
        raw = rest + following


def _refuse_other_kinds(path: Path, raw: bytes) -> None:
    if not raw:
        raise InputError(f"{path} is empty")
    for first_bytes, what_it_is in _NO_TEXT.items():
        if raw.startswith(first_bytes):
            raise InputError(f"{path} {what_it_is}")


def _refuse_web_page(path: Path, text: bytes) -> None:
    if _WEB_PAGE.match(text.removeprefix(_BOM)):
        raise InputError(f"{path} is a web page or XML. Open it in a spreadsheet program and save it as CSV UTF-8")


def _with_plain_ends_of_lines(text: bytes) -> bytes:
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text.isascii() and _BOM in text:
        text = re.sub(rb"(?<=[^\n])" + _BOM, b"\n", text).replace(_BOM, b"")
    return text


def _utf_16(raw: bytes) -> str | None:
    """Name the encoding of UTF-16, None for other texts."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding, zeros in (("utf-16-le", raw[1:64:2]), ("utf-16-be", raw[:64:2])):
        if zeros.count(0) > len(zeros) / 2:  # names of columns are ASCII, whose other byte is 0
            return encoding
    return None


def _is_utf_8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


def _korean(path: Path, raw: bytes, lines_above: int, *, refused: bool) -> bytes:
    """Read a text that is not UTF-8 as CP949; refused: whether it cannot be, because the lines above it are UTF-8."""
    try:
        text = "" if refused else raw.decode("cp949")
    except UnicodeDecodeError:
        text = ""
    if text and _is_korean(text):
        return text.encode()
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = lines_above + raw.count(b"\n", 0, error.start) + 1
        fault = f"line {line} has the byte 0x{raw[error.start]:02X}"
    raise InputError(
        f"{path} is neither UTF-8, UTF-16 nor CP949: {fault}. "
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
