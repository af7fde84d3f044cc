"""Judge the source of answers: whether it can be read, its known faults, its ids. Pure functions on facts."""

from collections.abc import Iterator

from seedtest_assets.cli.doctor.finding import DoctorFinding, Level
from seedtest_assets.errors import number_of
from seedtest_assets.storage.answer_files import is_answer_file
from seedtest_assets.storage.source_facts import SourceFacts


def judge_source(source: SourceFacts) -> Iterator[DoctorFinding]:
    """Judge the source of answers, and the traps of a view."""
    if source.name is None:
        yield DoctorFinding(level="red", subject="source", text=source.problem or "no source of answers")
        return
    chosen = f"{source.name}, by SEEDTEST_ATTEMPT_SOURCE={source.wanted}"
    over = f", a view over {' and '.join(source.behind)}" if source.behind else ""
    if is_answer_file(source.wanted):
        yield DoctorFinding(level="green", subject="source", text=chosen)
    elif source.failure:
        row = f". The first of {source.bad_items}: {source.bad_item}" if source.bad_items else ""
        yield DoctorFinding(level="red", subject="source", text=f"{chosen}{over}: {source.failure}{row}")
    elif source.answers is None:
        yield DoctorFinding(level="red", subject="source", text=f"{chosen}{over}: cannot be read. See rights")
    elif source.empty_beside:
        empty = source.empty_beside
        yield DoctorFinding(level="yellow", subject="source", text=f"{empty.finding}. {empty.advice}")
    else:
        level: Level = "green" if source.answers else "yellow"
        yield DoctorFinding(level=level, subject="source", text=f"{chosen}{over}: {source.answers:,} answers in 7 days")
    if not source.failure:
        yield from _traps(source)


def _traps(source: SourceFacts) -> Iterator[DoctorFinding]:
    if source.casts_items and source.bad_items:
        yield DoctorFinding(
            level="red",
            subject="source",
            text=f"{source.bad_items} answers have a question_id that is no number ({source.bad_item}). {source.name} casts "
            "every row, so such a row of any age stops the night. Set SEEDTEST_ATTEMPT_SOURCE=exam_results",
        )
    elif source.casts_items:
        yield DoctorFinding(
            level="yellow",
            subject="source",
            text=f"{source.name} casts question_id in every row of exam_results. One that is no number, of any age, would stop "
            "the night. SEEDTEST_ATTEMPT_SOURCE=exam_results gives the same ids and casts nothing",
        )
    if source.unmarked:
        yield DoctorFinding(
            level="yellow",
            subject="source",
            text=f"{source.unmarked:,} answers in exam_results have no mark, and {source.name} may give them as wrong. "
            "SEEDTEST_ATTEMPT_SOURCE=exam_results leaves them out and counts them",
        )
    if source.unread_scores:
        yield DoctorFinding(
            level="yellow",
            subject="source",
            text=f"exam_results has {number_of(source.unread_scores, 'answer')} with a part of the points, which {source.name} does not give. "
            "For partial credit add score and max_score to the view, or set SEEDTEST_ATTEMPT_SOURCE=exam_results",
        )


def judge_ids(source: SourceFacts) -> Iterator[DoctorFinding]:
    """Judge whether results get the ids that readers ask for."""
    known = source.known_ids
    if known is None or not known.active:
        return
    rule = (
        "student ids as the view attempt has them" if source.ids_of_view else f"student ids as {source.name} has them"
    )
    if known.unknown == 0:
        yield DoctorFinding(
            level="green", subject="ids", text=f"{rule}, and all {known.active:,} active have an ability under them"
        )
        return
    level: Level = "yellow" if known.unknown > known.active / 2 else "green"
    advice = ". Readers that ask for another id find nothing new" if level == "yellow" else ""
    yield DoctorFinding(
        level=level,
        subject="ids",
        text=f"{rule}. {known.unknown:,} of {known.active:,} active have no published ability yet, "
        f"{known.example} for example{advice}",
    )
