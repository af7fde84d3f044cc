"""Text of a file whatever its encoding, and one line for a file that is no text."""

import codecs
import gzip
import re
import zlib
from pathlib import Path

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
_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|table|\?xml|!--)", re.IGNORECASE)
_BOM = "\ufeff"


def read_text(path: Path) -> tuple[str, list[str]]:
    r"""Read a text file, compressed by gzip or not; gives its text with lines that end with \n, and notes on the encoding.

    UTF-8, UTF-16 and CP949 are read. A byte order mark within the text is the beginning of another file that was pasted
    there, and so of a line. Raises InputError for a file that cannot be read or is none of these.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            raw = gzip.decompress(raw)
    except (EOFError, zlib.error):
        raise InputError(f"{path} cannot be read: its compressed data are not whole") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or first_line(error)}") from None
    if not raw:
        raise InputError(f"{path} is empty")
    for first_bytes, what_it_is in _NO_TEXT.items():
        if raw.startswith(first_bytes):
            raise InputError(f"{path} {what_it_is}")
    text, notes = _decoded(path, raw)
    if _WEB_PAGE.match(text):
        raise InputError(f"{path} is a web page or XML. Open it in a spreadsheet program and save it as CSV UTF-8")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _BOM in text:
        text = re.sub(rf"(?<=[^\n]){_BOM}", "\n", text).replace(_BOM, "")
    return text, notes


def _decoded(path: Path, raw: bytes) -> tuple[str, list[str]]:
    """Decode a text; gives a note for all but UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace"), ["read as UTF-16"]
    for encoding, zeros in (("utf-16-le", raw[1:64:2]), ("utf-16-be", raw[:64:2])):
        if zeros.count(0) > len(zeros) / 2:  # names of columns are ASCII, whose other byte is 0
            return raw.decode(encoding, errors="replace"), ["read as UTF-16"]
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
