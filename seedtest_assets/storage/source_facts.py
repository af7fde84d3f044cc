"""Facts about the source of answers for `seedtest doctor`, with the known faults of a view `attempt`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from seedtest_assets.days import last_full_day
from seedtest_assets.errors import SeedtestError
from seedtest_assets.settings import Settings
from seedtest_assets.storage.answer_files import is_answer_file
from seedtest_assets.storage.database import Database
from seedtest_assets.storage.relations import columns_of
from seedtest_assets.storage.source_queries import between, view_makes_ids
from seedtest_assets.storage.sources import DatabaseSource, EmptySource, empty_beside_full, find_source
from seedtest_assets.usable_answers import usable_sql

DAYS_READ = 7
"""Days of answers that are read: enough for every student who is active, and quick."""

_QUESTIONS_OF_EXAMS = """exam_results AS e CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN jsonb_typeof(e.result_json -> 'questions') = 'array' THEN e.result_json -> 'questions' ELSE '[]' END) AS q"""
_BAD_ITEMS = rf"""
SELECT count(*) AS n, min(format('question_id %s in session %s', quote_literal(q ->> 'question_id'), e.session_id)) AS example
FROM {_QUESTIONS_OF_EXAMS}
WHERE nullif(q ->> 'question_id', '') !~ '^\s*[-+]?[0-9]{{1,19}}\s*$'
"""
_UNMARKED = f"""
SELECT count(*) AS n FROM {_QUESTIONS_OF_EXAMS}
WHERE coalesce(q ->> 'is_correct', q ->> 'correct', q ->> 'score') IS NULL AND nullif(q ->> 'question_id', '') IS NOT NULL
"""
_PARTIAL_CREDIT = rf"""
SELECT count(*) AS n FROM {_QUESTIONS_OF_EXAMS}
WHERE CASE WHEN q ->> 'score' ~ '^[0-9]{{1,9}}(\.[0-9]*)?$' AND q ->> 'points' ~ '^[0-9]{{1,9}}(\.[0-9]*)?$'
    THEN (q ->> 'score')::float8 > 0 AND (q ->> 'score')::float8 < (q ->> 'points')::float8 END
"""
_UNKNOWN_IDS = """
SELECT count(*) AS n, count(*) FILTER (WHERE known.user_id IS NULL) AS n_unknown,
       min(student_id) FILTER (WHERE known.user_id IS NULL) AS example
FROM (SELECT DISTINCT student_id FROM ({usable}) AS answers) AS active
LEFT JOIN (SELECT DISTINCT user_id::text AS user_id FROM mirt_ability) AS known ON known.user_id = active.student_id
"""


@dataclass(frozen=True, kw_only=True)
class KnownIds:
    """Students who answered in the last days, and those of them without a published ability under that id."""

    active: int
    unknown: int
    example: str | None


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """The source that the settings choose, and its traps.

    name: None where none can be used, problem says why. behind: the tables that it reads, where it is a view. failure: what
    reading the last days gave instead of answers. answers: of the last days, None where this role may not read them. casts_items: it makes
    numbers of the text in exam_results. bad_items, unmarked: in exam_results, while the source is a view over it; bad_item is
    an example. unread_scores: answers in exam_results with a part of their points, while the view does not give scores. empty_beside: the finding where the source is empty and another is not.
    """

    wanted: str
    name: str | None
    problem: str | None = None
    behind: tuple[str, ...] = ()
    failure: str | None = None
    answers: int | None = None
    casts_items: bool = False
    bad_items: int = 0
    bad_item: str | None = None
    unmarked: int = 0
    unread_scores: int = 0
    empty_beside: EmptySource | None = None
    ids_of_view: bool = False
    known_ids: KnownIds | None = None


def source_facts(database: Database, settings: Settings, privileges: Mapping[str, frozenset[str]]) -> SourceFacts:
    """Read the facts with the rights of this role."""
    wanted = settings.seedtest_attempt_source
    try:
        source = find_source(settings, database)
    except SeedtestError as error:
        return SourceFacts(wanted=wanted, name=None, problem=str(error))
    if is_answer_file(wanted) or not isinstance(source, DatabaseSource):
        return SourceFacts(wanted=wanted, name=source.name)
    readable = {name for name in privileges if "SELECT" in privileges[name]}
    if source.name not in readable:
        return SourceFacts(wanted=wanted, name=source.name, behind=source.behind)
    answers, failure = _answers_of_last_days(source)
    over_exams = "exam_results" in source.behind and "exam_results" in readable
    bad_items, bad_item = _counted(database, _BAD_ITEMS) if over_exams else (0, None)
    with database.transaction() as connection:
        ids_of_view = view_makes_ids(connection)
        columns = columns_of(connection, source.name)
    item_type = columns.get("item_id")
    return SourceFacts(
        wanted=wanted,
        name=source.name,
        behind=source.behind,
        failure=failure,
        answers=answers,
        casts_items=over_exams and item_type in ("smallint", "integer", "bigint", "numeric"),
        bad_items=bad_items,
        bad_item=bad_item,
        unmarked=_counted(database, _UNMARKED)[0] if over_exams else 0,
        unread_scores=_counted(database, _PARTIAL_CREDIT)[0] if over_exams and "score" not in columns else 0,
        empty_beside=None if failure else empty_beside_full(source),
        ids_of_view=ids_of_view,
        known_ids=_known_ids(source) if not failure and "mirt_ability" in readable else None,
    )


def _last_days() -> tuple[date, date]:
    last = last_full_day()
    return last - timedelta(days=DAYS_READ - 1), last


def _answers_of_last_days(source: DatabaseSource) -> tuple[int, str | None]:
    try:
        return sum(source.counts(*_last_days()).values()), None
    except SeedtestError as error:
        return 0, str(error)


def _known_ids(source: DatabaseSource) -> KnownIds:
    statement = _UNKNOWN_IDS.format(usable=usable_sql(between(source.query, *_last_days())))
    with source.database.transaction() as connection:
        active, unknown, example = connection.execution_options(no_parameters=True).exec_driver_sql(statement).one()
    return KnownIds(active=active, unknown=unknown, example=example)


def _counted(database: Database, statement: str) -> tuple[int, str | None]:
    with database.transaction() as connection:
        row = connection.execution_options(no_parameters=True).exec_driver_sql(statement).one()
    return row[0], row[1] if len(row) > 1 else None
