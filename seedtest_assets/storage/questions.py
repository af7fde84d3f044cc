"""Anchors and starting values from the platform's `question` table."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from seedtest_assets.calibration import as_parameters, no_parameters
from seedtest_assets.errors import InputError, first_few
from seedtest_assets.irt.models import POLYTOMOUS_MODELS, PolytomousModel
from seedtest_assets.irt.usable_parameters import unusable_anchors, unusable_parameters
from seedtest_assets.item_steps import reasons_of, steps_of
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.published_tables import STEP_NAMES_SQL, STEPS_AS_JSON
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.storage.statements import Run, literal
from seedtest_assets.usable_answers import BLANKS, SQL_BLANKS

_QUERY = """
SELECT id::text AS item_id,
       meta #>> '{{irt,a}}' AS a, meta #>> '{{irt,b}}' AS b, meta #>> '{{irt,c}}' AS c,
       meta #>> '{{irt,model}}' AS model,
       CASE WHEN meta -> 'irt' ?| {steps} THEN meta ->> 'irt' END AS irt,
       coalesce(meta -> 'tags' ? 'anchor', false) AS is_anchor, coalesce(is_known, false) AS is_known
FROM question, LATERAL (
    SELECT meta #>> '{{irt,a}}' IS NOT NULL
        AND (meta #>> '{{irt,b}}' IS NOT NULL OR meta -> 'irt' ?| {steps}) AS is_known
) AS parameters
WHERE is_known OR upper(meta #>> '{{irt,model}}') IN ('GRM', 'GPCM', 'PCM')
ORDER BY id
"""

# An anchor keeps its values, or the scale would follow its own estimates night by night. Steps that an item no longer has go.
_UPDATE_META = """
UPDATE question
SET {set_time}meta = jsonb_set(
    coalesce(meta, '{{}}'),
    '{{irt}}',
    CASE WHEN jsonb_typeof(meta -> 'irt') = 'object' THEN (meta -> 'irt') - {step_names} ELSE '{{}}' END
        || jsonb_build_object('a', fitted.a, 'b', fitted.b, 'c', fitted.c, 'model', fitted.model, 'version', {version})
        || {steps}
)
FROM ({rows}) AS fitted
WHERE fitted.item_id = btrim(question.id::text, {blanks})
  AND jsonb_typeof(coalesce(meta, '{{}}')) = 'object'
  AND NOT coalesce(meta -> 'tags' ? 'anchor', false)
"""


@dataclass(frozen=True, kw_only=True)
class KnownParameters:
    """What the bank knows of its items: trusted parameters, and those that only start an estimation.

    anchors, starts: PARAMETER_COLUMNS of usable ones. models: GRM, GPCM or PCM of questions with partial credit that name it,
    by id. warnings: questions that were left out, a line.
    """

    anchors: pd.DataFrame = field(default_factory=no_parameters)
    starts: pd.DataFrame = field(default_factory=no_parameters)
    models: Mapping[str, PolytomousModel] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def known_parameters(database: Database) -> KnownParameters:
    """Read the parameters in question.meta.irt; an anchor is tagged `anchor`.

    All is empty where there is no `question` table with a column `meta`. Raises InputError when that is no jsonb.
    """
    with database.transaction() as connection:
        columns = columns_of(connection, "question")
    if "meta" not in columns:
        return KnownParameters()
    if columns["meta"] != "jsonb":
        raise InputError(
            f"question.meta is {columns['meta']}, but jsonb is needed. ALTER TABLE question ALTER meta TYPE jsonb, or use a view"
        )
    with database.bulk_transaction() as cursor:
        cursor.execute(_QUERY.format(steps=STEP_NAMES_SQL))
        known = cursor.fetch_arrow_table().to_pandas()
    known = known.assign(**readable_parameters(known))
    models = known[known["model"].isin(POLYTOMOUS_MODELS)]
    known = known[known["is_known"]]  # a model alone is no parameter
    is_anchor = known["is_anchor"].to_numpy(bool)
    reasons = np.where(is_anchor, why_unusable(known, unusable_anchors), why_unusable(known, unusable_parameters))
    usable = reasons == ""
    left_out = [f"{item} ({reason})" for item, reason in zip(known["item_id"][~usable], reasons[~usable], strict=True)]
    return KnownParameters(
        anchors=as_parameters(known[usable & is_anchor]),
        starts=as_parameters(known[usable & ~is_anchor]),
        models=dict(zip(models["item_id"], models["model"], strict=True)),
        warnings=(
            (
                f"{len(left_out)} questions have unusable parameters in meta.irt and were left out: {first_few(left_out)}",
            )
            if left_out
            else ()
        ),
    )


def readable_parameters(irt: pd.DataFrame) -> pd.DataFrame:
    """Read values of question.meta.irt as they are written: PARAMETER_COLUMNS, and in `unreadable` whether steps are no numbers.

    irt: item_id, a, b, c and model as text, and irt: the JSON text where it has b_1, b_2, ..., else null.
    """
    numbers = {name: pd.to_numeric(irt[name], errors="coerce").astype(float) for name in "abc"}
    upper = irt["model"].str.upper()
    documents = [text if isinstance(text, str) else "{}" for text in irt["irt"]]
    return pd.DataFrame(
        {
            "item_id": irt["item_id"].str.strip(BLANKS),
            "model": upper.where(upper.isin(POLYTOMOUS_MODELS), irt["model"]),
            **numbers,
            "c": numbers["c"].fillna(0.0),
            "steps": pd.Series([*map(_steps, documents)], irt.index, dtype=object),
            "unreadable": pd.Series([*map(_unreadable, documents)], irt.index, dtype=bool),
        }
    )


def why_unusable(known: pd.DataFrame, rule: Callable[..., np.ndarray]) -> np.ndarray:
    """Say why rows of `readable_parameters` cannot be used, object [n], an empty text where they can. rule: as of `reasons_of`."""
    return np.where(known["unreadable"], "b_1, b_2, ... are not all numbers", reasons_of(known, rule)).astype(object)


def update_question_meta(run: Run, rows: str, version: str) -> None:
    """Write a, b, c, steps, model and version of published items to question.meta.irt; every other key stays.

    run: in the transaction that publishes; rows: SQL of the rows of item_history that are published. Questions tagged
    `anchor` keep theirs.
    """
    has_time = run(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('question') AND attname = 'updated_at')"
    )[0][0]
    set_time = "updated_at = now(), " if has_time else ""
    texts = {"set_time": set_time, "version": literal(version), "blanks": SQL_BLANKS, "step_names": STEP_NAMES_SQL}
    run(_UPDATE_META.format(rows=rows, steps=STEPS_AS_JSON.format(row="fitted"), **texts))


def _steps(irt: str) -> list[float | None] | None:
    """Read b_1, b_2, ... of question.meta.irt, JSON text; None where it has none that can be read."""
    return None if _unreadable(irt) else steps_of(json.loads(irt))


def _unreadable(irt: str) -> bool:
    """Tell whether question.meta.irt has steps that are no numbers."""
    try:
        steps_of(json.loads(irt))
    except (TypeError, ValueError):
        return True
    return False
