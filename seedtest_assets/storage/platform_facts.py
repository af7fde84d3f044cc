"""Facts about the platform's database for `seedtest doctor`. Read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.publications import IS_FOREIGN_FIT, PublicationState, publication_state
from seedtest_assets.storage.published_tables import PUBLISHED, STEP_NAMES_SQL, FoundTable, find_table
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.storage.source_facts import SourceFacts, source_facts
from seedtest_assets.storage.source_queries import TABLES
from seedtest_assets.storage.statements import on_connection
from seedtest_assets.storage.student_groups import StudentGroups, read_student_groups

_SERVER = """
SELECT current_setting('server_version') AS version, current_user::text AS role, current_database()::text AS database,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema
"""
_SCHEMA = """
SELECT nspname IS NOT NULL AS exists, coalesce(has_schema_privilege(nspname, 'CREATE'), false) AS may_create_tables
FROM (SELECT :schema AS wanted) AS asked LEFT JOIN pg_namespace ON nspname = wanted
"""
_PRIVILEGES = """
SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
WHERE has_table_privilege(to_regclass(:relation), privilege)
   OR privilege = 'UPDATE' AND has_any_column_privilege(to_regclass(:relation), privilege)
"""
_ANCHORS = f"""
SELECT id::text AS item_id, meta #>> '{{irt,a}}' AS a, meta #>> '{{irt,b}}' AS b, meta #>> '{{irt,c}}' AS c,
       meta #>> '{{irt,model}}' AS model, CASE WHEN meta -> 'irt' ?| {STEP_NAMES_SQL} THEN meta ->> 'irt' END AS irt
FROM question WHERE coalesce(meta -> 'tags' ? 'anchor', false) ORDER BY id
"""
_FOREIGN_FITS = """
SELECT run_id, fitted_at FROM mirt_fit_meta AS fit
WHERE {is_foreign} ORDER BY fitted_at DESC NULLS LAST LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class AnchorQuestion:
    """A question tagged `anchor`, and its irt values as they are written. irt: the JSON text where it has b_1, b_2, ..."""

    item_id: str
    a: str | None
    b: str | None
    c: str | None
    model: str | None = None
    irt: str | None = None


@dataclass(frozen=True, kw_only=True)
class ForeignFit:
    """The newest fit in mirt_fit_meta that no run of ours published."""

    run_id: str
    fitted_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PlatformFacts:
    """The state of the platform's database before a night.

    privileges: by relation that exists, of SELECT, INSERT and UPDATE. published: by name, None where there is no such table.
    question_columns: name to type, empty without the table. anchors: None where they cannot be read. publication: None before
    our schema is there. groups: as SEEDTEST_GROUP_SQL gives them, group_problem why it cannot; None where it is not set.
    """

    address: str
    version: str
    role: str
    database: str
    schema: str
    schema_exists: bool
    may_create_schema: bool
    may_create_tables: bool
    may_create_in_public: bool
    privileges: Mapping[str, frozenset[str]]
    published: Mapping[str, FoundTable | None]
    source: SourceFacts
    question_columns: Mapping[str, str] = field(default_factory=dict)
    anchors: Sequence[AnchorQuestion] | None = None
    fits_readable: bool = True
    foreign_fit: ForeignFit | None = None
    publication: PublicationState | None = None
    groups: StudentGroups | None = None
    group_problem: str | None = None


def platform_facts(database: Database, settings: Settings) -> PlatformFacts:
    """Read the facts, with the rights of this role.

    Raises TransientError or InputError when the database cannot be reached.
    """
    with database.transaction() as connection:
        server = connection.execute(sa.text(_SERVER)).one()
        schema = connection.execute(sa.text(_SCHEMA), {"schema": database.schema}).one()
        in_public = connection.execute(sa.text(_SCHEMA), {"schema": "public"}).one()
        relations = [*TABLES, "question", *PUBLISHED]
        privileges = {name: _privileges(connection, name) for name in relations if columns_of(connection, name)}
        published = {name: find_table(on_connection(connection), name) for name in PUBLISHED}
        question = columns_of(connection, "question")
    publication = _publication(database, settings) if schema.exists else None
    groups, group_problem = _groups(database, settings)
    has_fits = "mirt_fit_meta" in privileges
    fits_readable = not has_fits or "SELECT" in privileges["mirt_fit_meta"]
    return PlatformFacts(
        address=database.address,
        version=server.version,
        role=server.role,
        database=server.database,
        schema=database.schema,
        schema_exists=schema.exists,
        may_create_schema=server.may_create_schema,
        may_create_tables=schema.may_create_tables,
        may_create_in_public=in_public.may_create_tables,
        privileges=privileges,
        published=published,
        source=source_facts(database, settings, privileges),
        question_columns=question,
        anchors=_anchors(database) if _readable_meta(question, privileges) else None,
        fits_readable=fits_readable,
        foreign_fit=_foreign_fit(database, ours_known=publication is not None) if has_fits and fits_readable else None,
        publication=publication,
        groups=groups,
        group_problem=group_problem,
    )


def _groups(database: Database, settings: Settings) -> tuple[StudentGroups | None, str | None]:
    if not settings.seedtest_group_sql:
        return None, None
    try:
        return read_student_groups(database, settings.seedtest_group_sql), None
    except SeedtestError as error:
        return None, str(error)


def _privileges(connection: sa.Connection, relation: str) -> frozenset[str]:
    return frozenset(connection.execute(sa.text(_PRIVILEGES), {"relation": relation}).scalars())


def _publication(database: Database, settings: Settings) -> PublicationState | None:
    try:
        return publication_state(database, settings.seedtest_published_version)
    except SeedtestError:  # the schema is there, its tables are not yet, or not ours to read
        return None


def _readable_meta(question: Mapping[str, str], privileges: Mapping[str, frozenset[str]]) -> bool:
    return question.get("meta") == "jsonb" and "SELECT" in privileges["question"]


def _anchors(database: Database) -> list[AnchorQuestion]:
    with database.transaction() as connection:
        return [AnchorQuestion(**row) for row in connection.execute(sa.text(_ANCHORS)).mappings()]


def _foreign_fit(database: Database, *, ours_known: bool) -> ForeignFit | None:
    statement = _FOREIGN_FITS.format(is_foreign=IS_FOREIGN_FIT if ours_known else "true")
    with database.transaction() as connection:
        row = connection.execute(sa.text(statement)).first()
    return ForeignFit(run_id=row.run_id, fitted_at=row.fitted_at) if row else None
