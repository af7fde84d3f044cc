"""What the Dagster UI shows of an asset: its columns, a preview, pictures."""

import base64
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import dagster as dg
import pandas as pd
import pyarrow as pa

from seedtest_assets.storage.published_columns import PUBLISHED_COLUMNS

T = TypeVar("T")


def table_metadata(table: str) -> dict[str, object]:
    """Name and columns of a published table, as it is made where the platform has none."""
    return {"dagster/table_name": f"public.{table}", **_columns(PUBLISHED_COLUMNS[table])}


def file_metadata(schema: pa.Schema) -> dict[str, object]:
    """Give the columns of a Parquet file as metadata."""
    return _columns({field.name: str(field.type) for field in schema})


def _columns(types: Mapping[str, str]) -> dict[str, object]:
    return {"dagster/column_schema": dg.TableSchema([dg.TableColumn(name, type) for name, type in types.items()])}


def rounded(value: T) -> T | float:
    """Round a number as a person reads it, to four digits, and to no less than hundredths; what is no number stays."""
    if not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return value
    return round(value, max(2, 3 - math.floor(math.log10(abs(value)))))


def previewed(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Show a few rows as a Markdown table."""
    shown = rows.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|"))
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * len(shown.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in shown.itertuples(index=False, name=None)]
    return dg.MetadataValue.md("\n".join(lines))


def picture(png: bytes, what_it_shows: str) -> dg.MarkdownMetadataValue:
    """Show a small picture; the UI shows data: PNG inside Markdown, and nothing of a raw <svg>."""
    return dg.MetadataValue.md(f"![{what_it_shows}](data:image/png;base64,{base64.b64encode(png).decode()})")


def cluster_metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Show the cluster that worked, where one did: its totals, what each function took, and the link of its dashboard."""
    if not facts:
        return {}
    totals = {f"cluster_{name}": value for name, value in facts.items() if name not in ("work", "dashboard")}
    work = dg.MetadataValue.table([dg.TableRecord(row) for row in facts["work"]])
    link = {"dask_dashboard": dg.MetadataValue.url(facts["dashboard"])} if "dashboard" in facts else {}
    return totals | {"cluster_work": work} | link
