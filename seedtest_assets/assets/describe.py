"""What the Dagster UI shows of an asset: its columns, a preview, its owners."""

import base64

import dagster as dg
import pandas as pd
import pyarrow as pa

GROUP = "psychometrics"
"""One group: several collapse the graph into boxes."""
OWNERS = ["team:psychometrics"]


def table_metadata(schema: pa.Schema, table_name: str | None = None) -> dict[str, object]:
    """Column schema, and the table's name where it stands in PostgreSQL."""
    columns = [dg.TableColumn(field.name, str(field.type)) for field in schema]
    named = {"dagster/table_name": f"public.{table_name}"} if table_name else {}
    return {"dagster/column_schema": dg.TableSchema(columns), **named}


def previewed(rows: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """A few rows as a Markdown table."""
    shown = rows.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|"))
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + " --- |" * len(shown.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in shown.itertuples(index=False, name=None)]
    return dg.MetadataValue.md("\n".join(lines))


def picture(png: bytes, what_it_shows: str) -> dg.MarkdownMetadataValue:
    """A small picture; the UI shows data: PNG inside Markdown, and nothing of a raw <svg>."""
    return dg.MetadataValue.md(f"![{what_it_shows}](data:image/png;base64,{base64.b64encode(png).decode()})")
