"""Sheets of Excel files as CSV."""

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from seedtest_assets.errors import InputError, first_line


def read_sheet_as_csv(path: Path) -> tuple[str, list[str]]:
    """Give the first sheet of an Excel file as CSV without blank rows, each as wide as the widest; and notes on the reading.

    Raises InputError for what is no Excel file, a sheet without cells, and where openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError:
        raise InputError(
            f"{path} is an Excel file, and openpyxl, which reads them, is not installed: pip install 'seedtest-assets[excel]'"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or first_line(error)}") from None
    except zipfile.BadZipFile:
        raise InputError(f"{path} is no Excel file. If it is text, name it .csv") from None
    except Exception as error:  # openpyxl and zipfile raise many kinds for a file that is none of Excel's
        raise InputError(f"{path} cannot be read as an Excel file: {first_line(error)}") from None
    sheet = book.worksheets[0]
    _refuse_formulas_without_values(path, sheet, openpyxl.load_workbook(path, read_only=True).worksheets[0])
    rows = [_without_blank_end([_cell_text(value) for value in row]) for row in sheet.iter_rows(values_only=True)]
    width = max(map(len, rows), default=0)
    if not width:
        raise InputError(f"{path} is empty")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*row, *[""] * (width - len(row))] for row in rows if row)
    notes = (
        [f"only the first of {len(book.worksheets)} sheets was read: {sheet.title}"] if len(book.worksheets) > 1 else []
    )
    return text.getvalue(), notes


def _refuse_formulas_without_values(path: Path, values: Any, formulas: Any) -> None:
    """Refuse a sheet that no spreadsheet program has computed: its formulas would be read as blanks."""
    for row, (of_values, of_formulas) in enumerate(zip(values.values, formulas.values, strict=False), 1):
        for column, (value, formula) in enumerate(zip(of_values, of_formulas, strict=False), 1):
            if value is None and isinstance(formula, str) and formula.startswith("="):
                raise InputError(
                    f"{path} has formulas without values, the first in row {row}, column {column}. "
                    "Open it in a spreadsheet program and save it"
                )


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
