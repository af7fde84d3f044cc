"""Scores of a long file, and the marks of the answers that have a score and no mark."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.errors import InputError, first_few, number_of
from seedtest_assets.storage.mark_names import BLANK, NO_ANSWER, plain
from seedtest_assets.storage.mark_rules import MarkRules


def with_marks_of_scores(path: str | Path, rows: pa.Table, rules: MarkRules) -> tuple[pa.Table, list[str]]:
    """Mark the answers that only have a score, and tell what was assumed, a sentence each.

    A score that is the item's highest is correct. Codes and the ways to write no answer mean in the column of scores what they mean
    in that of marks, and are no scores.

    rows: text under our names: item_id, score, perhaps correct and max_score. A score that is no number is marked false; its
    reader gives the reason. Raises InputError for rules that have no meaning beside scores.
    """
    marked = "correct" in rows.column_names
    if rules.key:
        raise InputError(
            f"{path} has a column score, which counts, so that --key has no meaning. Leave --key or the column out"
        )
    if rules.full_mark and not marked:
        raise InputError(
            f"{path} has scores and no marks, so that --full-mark has no meaning. A column max_score has the highest score of an item"
        )
    score, no_score = _scores(rows["score"], rules)
    rows = rows.set_column(rows.column_names.index("score"), "score", score)
    mark = rows["correct"].cast(pa.string()) if marked else pa.chunked_array([pa.nulls(len(rows), pa.string())])
    unmarked = _is_no_answer(mark, MarkRules())
    notes = ["no row has a score"] if marked and score.null_count == len(rows) else []
    if not pc.any(unmarked).as_py():
        return rows, notes
    of_score, highest_unknown = _marks_of(rows)
    mark = pc.if_else(unmarked, pc.coalesce(of_score, no_score, mark), mark)
    rows = (
        rows.set_column(rows.column_names.index("correct"), "correct", mark)
        if marked
        else rows.append_column("correct", mark)
    )
    assumed = rows["item_id"].filter(pc.and_(unmarked, highest_unknown)).cast(pa.string()).unique().drop_null()
    if not len(assumed):
        return rows, notes
    named = f"{number_of(len(assumed), 'item')} without max_score: {first_few(assumed.to_pylist())}"
    return rows, [f"the highest score in the file counts as correct for {named}"]


def _scores(values: pa.ChunkedArray, rules: MarkRules) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Part text into scores and what stands for none, null elsewhere."""
    text = values.cast(pa.string())
    nothing, null = _is_no_answer(text, rules), pa.scalar(None, pa.string())
    return pc.if_else(nothing, null, text), pc.if_else(nothing, text, null)


def _is_no_answer(text: pa.ChunkedArray, rules: MarkRules) -> pa.ChunkedArray:
    """Tell which marks or scores stand for no answer, or are codes; each distinct one is read once."""
    encoded = text.dictionary_encode(null_encoding="encode").combine_chunks()
    meanings = [plain(mark or "") for mark in encoded.dictionary.to_pylist()]
    nothing = [mark == BLANK or mark in NO_ANSWER or mark in rules.codes for mark in meanings]
    return pa.chunked_array([pa.array(nothing, pa.bool_()).take(encoded.indices)])


def _marks_of(rows: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Give "true" or "false" for each score, null where there is none; and whether the item's highest had to be assumed.

    It is the highest max_score of the item, else its highest score in the file, which is only an assumption where it is not 1.
    """
    columns = {
        name: rows[name].cast(pa.string()) for name in ("item_id", "score", "max_score") if name in rows.column_names
    }
    known = "try_cast(max_score AS DOUBLE)" if "max_score" in columns else "CAST(NULL AS DOUBLE)"
    query = f"""
        SELECT
            CASE WHEN score IS NOT NULL
                THEN CASE WHEN value > 0 AND value >= coalesce(top, highest) THEN 'true' ELSE 'false' END END AS mark,
            coalesce(score IS NOT NULL AND top IS NULL AND highest <> 1, false) AS assumed
        FROM (
            SELECT
                *,
                max(known) FILTER (WHERE isfinite(known)) OVER item AS top,
                max(value) FILTER (WHERE isfinite(value)) OVER item AS highest
            FROM (SELECT *, try_cast(score AS DOUBLE) AS value, {known} AS known FROM file)
            WINDOW item AS (PARTITION BY item_id)
        )
        ORDER BY place
    """
    with duckdb.connect() as connection:
        connection.register("file", pa.table(columns).append_column("place", pa.array(np.arange(len(rows)))))
        marks = connection.sql(query).to_arrow_table()
    return marks["mark"], marks["assumed"]
