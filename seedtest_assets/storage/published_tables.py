"""The platform's result tables: the source of each column in history, and the checks before a table is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedtest_assets.errors import InputError
from seedtest_assets.irt.models import STEP_NAMES
from seedtest_assets.storage.database import sql
from seedtest_assets.storage.statements import Run, identifier, literal


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One of the platform's result tables.

    key: the columns of its unique key; columns: each column that can be written, the key's first, as SQL over a row of the
    history table, where {version} is the published version; needed: columns it must have; history_key: what in history is
    one row of it.
    """

    name: str
    key: tuple[str, ...]
    needed: tuple[str, ...]
    history: str
    history_key: tuple[str, ...]
    columns: Mapping[str, str]


STEP_NAMES_SQL = f"ARRAY[{', '.join(map(literal, STEP_NAMES))}]"
"""SQL of the names b_1, b_2, ... of steps."""
STEPS_AS_JSON = (
    "coalesce((SELECT jsonb_object_agg('b_' || k, step) FROM jsonb_array_elements("
    "CASE jsonb_typeof(to_jsonb({row}) -> 'steps') WHEN 'array' THEN to_jsonb({row}) -> 'steps' END"
    ") WITH ORDINALITY AS s (step, k)), '{{}}')"
)
"""SQL of b_1, b_2, ... of a row of item_history, an empty object for an item without steps. By way of JSON, so that rows of a
table that has no such column yet, as while an older database is migrated, have none."""
PUBLISHED = {
    table.name: table
    for table in (
        PublishedTable(
            name="mirt_item_params",
            key=("item_id",),
            needed=("params",),
            history="item_history",
            history_key=("item_id",),
            columns={
                "item_id": "item_id",
                "model": "model",
                "params": "jsonb_build_object('a', a, 'b', b, 'c', c) || " + STEPS_AS_JSON.replace("{row}", "history"),
                "version": "{version}",
                "fitted_at": "fitted_at",
                "updated_at": "fitted_at",
            },
        ),
        PublishedTable(
            name="mirt_ability",
            key=("user_id", "version"),
            needed=("theta",),
            history="ability_history",
            history_key=("student_id",),
            columns={
                "user_id": "student_id",
                "version": "{version}",
                "theta": "theta",
                "se": "se",
                "standard_error": "se",
                "model": "model",
                "fitted_at": "fitted_at",
                "updated_at": "fitted_at",
            },
        ),
        PublishedTable(
            name="mirt_fit_meta",
            key=("run_id",),
            needed=("model_spec", "fitted_at"),
            history="fit_history",
            history_key=("partition_date",),
            columns={
                "run_id": "run_id",
                "model_spec": "model_spec",
                "metrics": "metrics",
                "fitted_at": "fitted_at",
                "updated_at": "fitted_at",
            },
        ),
        PublishedTable(
            name="student_topic_theta",
            key=("user_id", "topic_id"),
            needed=("theta",),
            history="topic_theta_history",
            history_key=("student_id", "topic_id"),
            columns={
                "user_id": "student_id",
                "topic_id": "topic_id",
                "theta": "theta",
                "se": "se",
                "standard_error": "se",
                "model": "model",
                "version": "{version}",
                "fitted_at": "fitted_at",
                "updated_at": "fitted_at",
            },
        ),
        PublishedTable(
            name="features_topic_daily",
            key=("user_id", "topic_id", "date"),
            needed=("attempts", "correct"),
            history="feature_history",
            history_key=("student_id", "topic_id", "partition_date"),
            # Readers parse whole numbers. Rounded as the statements of the platform round: a numeric away from zero
            # (its avg), a double to even (its percentile_cont).
            columns={
                "user_id": "student_id",
                "topic_id": "topic_id",
                "date": "partition_date",
                "attempts": "attempts",
                "correct": "correct",
                "avg_time_ms": "round(avg_time_ms::numeric)",
                "rt_median": "round(rt_median)",
                "hints": "hints",
                "theta_estimate": "theta_estimate",
                "theta_sd": "theta_sd",
                "improvement": "improvement",
                "last_seen_at": "last_seen_at",
                "computed_at": "computed_at",
                "updated_at": "computed_at",
            },
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class FoundTable:
    """A published table as it is in this database.

    columns: name → PostgreSQL's type, of those that can be written; problems: why it cannot be published to, empty when it can.
    """

    table: PublishedTable
    schema: str
    columns: Mapping[str, str]
    problems: Sequence[str] = ()

    @property
    def qualified(self) -> str:
        """Its quoted name with its schema."""
        return identifier(self.schema, self.table.name)

    @property
    def written(self) -> list[str]:
        """The columns that are there and that history has a value for, the key's first."""
        names = [name for name in self.table.columns if name in self.columns]
        return [*self.table.key, *(name for name in names if name not in self.table.key)]


_RELATION = """
SELECT c.oid::bigint, n.nspname::text, c.relkind::text, (pg_relation_is_updatable(c.oid, false) & 12) = 12
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass({name})
"""
_COLUMNS = """
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attgenerated::text <> '',
       a.attnotnull AND NOT a.atthasdef AND a.attidentity::text = ''
FROM pg_attribute AS a WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_UNIQUE_KEYS = """
SELECT (SELECT string_agg(a.attname::text, ',') FROM pg_attribute AS a
        WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
FROM pg_index AS i
WHERE i.indrelid = {oid} AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
"""


def find_table(run: Run, name: str) -> FoundTable | None:
    """Inspect a published table in this database; None if it does not exist."""
    table = PUBLISHED[name]
    relations = run(_RELATION.format(name=literal(name)))
    if not relations:
        return None
    oid, schema, kind, updatable = relations[0]
    rows = run(_COLUMNS.format(oid=oid))
    columns = {column: type_ for column, type_, generated, _ in rows if not generated}
    return FoundTable(
        table=table,
        schema=schema,
        columns=columns,
        problems=[
            *_problems_of_kind(kind, updatable),
            *[f"has no column {column}" for column in (*table.key, *table.needed) if column not in columns],
            *[
                f"has a column {column} that is NOT NULL and has no default"
                for column, _, _, must_be_given in rows
                if must_be_given and column not in table.columns
            ],
            *(_problems_of_key(run, oid, table) if kind in ("r", "p") else []),
        ],
    )


def usable_table(run: Run, name: str) -> FoundTable:
    """Inspect a published table before writing; create it if it is missing and this role may.

    Raises InputError, one line with the table's name, where it is still absent or cannot be published to.
    """
    existing = find_table(run, name)
    if existing is None and make_missing_tables(run):
        existing = find_table(run, name)
    if existing is None:
        ((role,),) = run("SELECT current_user::text")
        raise InputError(
            f"the table {name} does not exist, and the role {role} may not create it. "
            f'As an administrator: GRANT CREATE ON SCHEMA public TO "{role}", or create it. '
            "Or write history only, with SEEDTEST_PUBLISH=false"
        )
    if existing.problems:
        raise InputError(
            f"the table {existing.schema}.{name} cannot be published to: it {', and '.join(existing.problems)}. "
            "Repair the table, or write history only, with SEEDTEST_PUBLISH=false"
        )
    return existing


def make_missing_tables(run: Run, schema: str | None = None) -> list[str]:
    """Create the published tables that do not exist, where this role may; give their names.

    schema: where to; by default where PostgreSQL would put them if ours were not on the search path.
    """
    missing = [name for name in PUBLISHED if find_table(run, name) is None]
    if not missing:
        return []
    target = schema or _default_schema(run)
    if not run(f"SELECT has_schema_privilege({literal(target)}, 'CREATE')")[0][0]:
        return []
    statements = re.split(r"^-- (\w+)$", sql("published_tables.sql"), flags=re.MULTILINE)
    of_table = dict(zip(statements[1::2], statements[2::2], strict=True))
    for name in missing:
        for statement in of_table[name].split(";\n"):
            if statement.strip():
                run(re.sub(rf"(TABLE|ON) {name}", rf"\1 {identifier(target, name)}", statement, count=1))
    return missing


def _problems_of_kind(kind: str, updatable: bool) -> list[str]:
    if kind in ("r", "p") or (kind == "v" and updatable):
        return []
    names = {
        "v": "is a view that PostgreSQL cannot upsert into",
        "m": "is a materialized view",
        "f": "is a foreign table",
    }
    return [names.get(kind, "is no table")]


def _problems_of_key(run: Run, oid: int, table: PublishedTable) -> list[str]:
    keys = [set(names.split(",")) for (names,) in run(_UNIQUE_KEYS.format(oid=oid)) if names]
    return [] if set(table.key) in keys else [f"has no unique key on exactly ({', '.join(table.key)})"]


def _default_schema(run: Run) -> str:
    ours, *others = [name for (name,) in run("SELECT name::text FROM unnest(current_schemas(false)) AS name")]
    return next((name for name in others if name != ours), "public")
