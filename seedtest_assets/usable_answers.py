"""The rule of what a usable answer is: its ids, mark and time. `usable_sql` is the same rule for PostgreSQL."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seedtest_assets.days import day_bounds
from seedtest_assets.encoded_columns import decoded, dictionary_of
from seedtest_assets.topic_lists import in_one_form, text_of, topics_of

# Trimmed from both ends of an id. ASCII only, so that PostgreSQL, Arrow and Python trim the same in any encoding.
BLANKS = " \t\n\v\f\r"
# In UTF-8. Two such ids and a date fit into an entry of a PostgreSQL index, which holds 2,704 bytes.
MAX_ID_BYTES = 1000
# No answer of a testing platform is older; a year of two digits is read as one of the first century.
EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
# BLANKS as PostgreSQL writes them.
SQL_BLANKS = "E' \\t\\n\\x0b\\f\\r'"
NO_MARK = "no correct"
REPEATED = "the same student, item and time twice"
_IDS = ("student_id", "item_id", "topic_id")
_ORDER = ("completed_at", "student_id", "item_id", "correct", "score")


def usable_until() -> datetime:
    """Give the end of tomorrow (UTC), which is today for a clock of any time zone. A later answer is not usable."""
    return day_bounds(datetime.now(timezone.utc).date() + timedelta(days=1))[1]


@dataclass(frozen=True, kw_only=True)
class SplitAnswers:
    """usable: ids trimmed and dictionary-encoded, in the order of completed_at, student and item. left_out: the others, with
    ids as text and their `reason`.

    n_further_topics: rows that named one more topic of an answer which is in `usable`.
    """

    usable: pa.Table
    left_out: pa.Table
    n_further_topics: int


def split_usable(answers: pa.Table) -> SplitAnswers:
    """Separate usable answers from the others.

    answers: student_id, item_id, correct, completed_at, any of them null; perhaps topic_id, response_time_ms, score and max_score; and
        any other columns. A column `unreadable` gives the reason of a row that its reader could not read, else null.

    A topic of blanks is none. A negative response time is unknown. Of the same answer with two marks or scores the incorrect or lowest one is
    kept, as in the calibration. Rows of the same answer and mark with different topics are one answer of these topics.
    """
    rows, left_out = usable_rows(answers)
    once = each_once(rows)
    return replace(once, left_out=pa.concat_tables([left_out, once.left_out]))


def usable_rows(answers: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Separate usable rows, as of `split_usable` but perhaps several of the same answer, from the others."""
    for name in _IDS:
        if name in answers.column_names:
            answers = _replaced(answers, name, encoded(answers[name]))
    answers = answers.combine_chunks()
    if "response_time_ms" in answers.column_names:
        milliseconds = answers["response_time_ms"]
        known = pc.if_else(pc.less(milliseconds, 0), pa.scalar(None, milliseconds.type), milliseconds)
        answers = _replaced(answers, "response_time_ms", known)
    reasons = _reasons(answers)
    if "unreadable" in answers.column_names:
        reasons = pc.coalesce(answers["unreadable"], reasons)
        answers = answers.drop_columns("unreadable")
    usable = pc.is_null(reasons)
    left_out = answers.append_column("reason", reasons).filter(pc.invert(usable))
    answers = in_order(filtered(answers, usable))
    if "topic_id" in answers.column_names:
        answers = _replaced(answers, "topic_id", encoded(in_one_form(answers["topic_id"])))
    return answers, decoded(left_out)


def each_once(rows: pa.Table) -> SplitAnswers:
    """Decide which of several rows of the same answer counts. rows: usable ones, in the order of `split_usable`."""
    repeated = repeats_the_row_before(rows)
    answers, further = _with_topics_of_repeated_rows(rows, repeated)
    again = answers.filter(pa.array(repeated & ~further))
    return SplitAnswers(
        usable=filtered(answers, pa.array(~repeated)),
        left_out=decoded(again.append_column("reason", pa.repeat(pa.scalar(REPEATED), len(again)))),
        n_further_topics=int(further.sum()),
    )


def in_order(answers: pa.Table) -> pa.Table:
    """Sort answers by _ORDER, as far as they have the columns; those in order already are not copied."""
    times = answers["completed_at"]
    if pc.all(pc.less(times.slice(0, max(0, len(times) - 1)), times.slice(1))).as_py():
        return answers
    keys = pa.table({name: _sortable(answers[name]) for name in _ORDER if name in answers.column_names})
    place = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    return answers.take(place).combine_chunks()


def encoded(ids: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Trim and dictionary-encode ids, which may be numbers; blanks only are null. Only distinct ids are examined."""
    ids = dictionary_of(ids)
    distinct = trimmed(ids.dictionary.cast(pa.string()))
    if distinct.equals(ids.dictionary):
        return ids
    codes = distinct.dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices.take(ids.indices), codes.dictionary)


def with_usable_ids(answers: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Trim and dictionary-encode student_id and item_id; leave out rows without usable ones, counted by reason."""
    left_out: Counter[str] = Counter()
    for name in ("student_id", "item_id"):
        ids = encoded(answers[name])
        answers = _replaced(answers, name, ids)
        reasons = _why_unusable(ids, name)
        if reasons is not None:
            left_out.update(reasons.drop_null().to_pylist())
            answers = answers.filter(reasons.is_null())
    return answers, dict(left_out)


def _why_unusable(ids: pa.DictionaryArray, name: str) -> pa.Array | None:
    """Say of each row why its id cannot be used, null where it can; None where all can. Only distinct ids are examined."""
    faults = why_unusable_id(ids.dictionary, name)
    if not ids.null_count and faults.null_count == len(faults):
        return None
    return pc.if_else(ids.indices.is_valid(), faults.take(ids.indices), f"no {name}")


def trimmed(ids: pa.Array) -> pa.Array:
    """Trim blanks from ids; an id of blanks only is null."""
    text = pc.utf8_trim(ids, characters=BLANKS)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)


def why_unusable_id(ids: pa.Array, name: str) -> pa.Array:
    """Say why trimmed ids cannot be used, null where they can. name: of the column."""
    return pc.case_when(
        pc.make_struct(ids.is_null(), _too_long(ids), pc.match_substring(ids, "\0")),
        f"no {name}",
        f"{name} is longer than {MAX_ID_BYTES:,} bytes",
        f"{name} holds a zero byte",
    )


def counted(reasons: Iterable[str]) -> dict[str, int]:
    """Count rows by reason, in the order of their first row."""
    return dict(Counter(reasons))


def usable_sql(answers: str) -> str:
    """Give the SQL of student_id, item_id, completed_at of the usable answers, each once.

    answers: a query with the columns of `split_usable`, ids as text.
    """
    ids = ", ".join(f"btrim({name}, {SQL_BLANKS}) AS {name}" for name in ("student_id", "item_id", "topic_id"))
    # A character has at most four bytes of UTF-8, and at least one in any encoding: most ids need not be converted.
    short = " AND ".join(
        f"(octet_length({text}) <= {MAX_ID_BYTES // 4} OR octet_length(convert_to({text}, 'UTF8')) <= {MAX_ID_BYTES})"
        for text in ("student_id", "item_id", "coalesce(topic_id, '')")
    )
    return (
        f"SELECT DISTINCT student_id, item_id, completed_at "
        f"FROM (SELECT {ids}, correct, completed_at, score, max_score FROM ({answers}) AS answers) AS answers "
        f"WHERE student_id <> '' AND item_id <> '' AND {short} AND correct IS NOT NULL "
        f"AND completed_at >= timestamptz '{EARLIEST}' AND completed_at < timestamptz '{usable_until()}' "
        "AND (score IS NULL OR score >= 0 AND score < 'infinity' "
        "AND (max_score IS NULL OR max_score > 0 AND max_score < 'infinity' AND score <= max_score))"
    )


def _reasons(answers: pa.Table) -> pa.Array:
    """Say of each row why it cannot be used, null where it can; the first reason counts."""
    times = answers["completed_at"]
    faults = {
        NO_MARK: answers["correct"].is_null(),
        "no completed_at": times.is_null(),
        f"completed_at is before {EARLIEST.year}": pc.less(times, pa.scalar(EARLIEST, times.type)),
        "completed_at is later than tomorrow": pc.greater_equal(times, pa.scalar(usable_until(), times.type)),
        **(_faults_of_topics(answers["topic_id"].combine_chunks()) if "topic_id" in answers.column_names else {}),
        **(_faults_of_scores(answers) if "score" in answers.column_names else {}),
    }
    reasons = [_why_unusable(answers[name].combine_chunks(), name) for name in ("student_id", "item_id")]
    found = {reason: rows for reason, rows in faults.items() if pc.any(rows).as_py()}
    if found:
        reasons.append(pc.case_when(pc.make_struct(*found.values()), *found))
    reasons = [of_rows for of_rows in reasons if of_rows is not None]
    return pc.coalesce(*reasons) if reasons else pa.nulls(len(answers), pa.string())


def _faults_of_topics(topics: pa.DictionaryArray) -> dict[str, pa.Array]:
    return {
        f"topic_id is longer than {MAX_ID_BYTES:,} bytes": _too_long(topics.dictionary).take(topics.indices),
        "topic_id holds a zero byte": pc.match_substring(topics.dictionary, "\0").take(topics.indices),
    }


def _faults_of_scores(answers: pa.Table) -> dict[str, pa.Array]:
    score = answers["score"]
    faults = {"score is no number from 0": pc.or_(pc.less(score, 0), pc.invert(pc.is_finite(score)))}
    if "max_score" in answers.column_names:
        highest = answers["max_score"]
        of_highest = pc.or_(pc.less_equal(highest, 0), pc.invert(pc.is_finite(highest)))
        faults["max_score is no number above 0"] = pc.and_(pc.is_valid(score), of_highest)
        faults["score is above max_score"] = pc.greater(score, highest)
    return faults


def filtered(answers: pa.Table, chosen: pa.Array) -> pa.Table:
    """Select rows by a mask without nulls; all of them, as usual, are not copied."""
    return answers if pc.all(chosen).as_py() else answers.filter(chosen).combine_chunks()


def _sortable(values: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Give numbers in the order of values; of ids their places among the sorted ones, which compare faster than text."""
    if not pa.types.is_dictionary(values.type):
        return values
    ids = values.combine_chunks()
    place = np.empty(len(ids.dictionary), np.int32)
    place[pc.sort_indices(ids.dictionary).to_numpy()] = np.arange(len(place))
    return pa.array(place).take(ids.indices)


def _too_long(ids: pa.Array) -> pa.Array:
    return pc.greater(pc.binary_length(ids), MAX_ID_BYTES)


def repeats_the_row_before(answers: pa.Table) -> np.ndarray:
    """Tell of rows in order whether student, item and time are those of the row before, bool [n]."""
    repeated = np.zeros(len(answers), bool)
    student, item = (answers[name].combine_chunks().indices.to_numpy() for name in ("student_id", "item_id"))
    time = answers["completed_at"].cast(pa.int64()).to_numpy()
    repeated[1:] = (student[1:] == student[:-1]) & (item[1:] == item[:-1]) & (time[1:] == time[:-1])
    return repeated


def _with_topics_of_repeated_rows(answers: pa.Table, repeated: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """Give the first row of an answer the topics of its repeated rows with the same mark; and tell which rows these were."""
    further = np.zeros(len(answers), bool)
    at = np.flatnonzero(repeated)
    if not len(at):
        return answers, further
    first = np.flatnonzero(~repeated)[np.cumsum(~repeated)[at] - 1]
    if "topic_id" not in answers.column_names:
        return answers, further
    marks, topics = answers["correct"], answers["topic_id"]
    same_mark = pc.equal(marks.take(pa.array(at)), marks.take(pa.array(first))).to_numpy()
    at, first = at[same_mark], first[same_mark]
    more: dict[int, set[str]] = {}
    known = topics.take(pa.array(first)).to_pylist()
    for row, kept, topic, of_kept in zip(at, first, topics.take(pa.array(at)).to_pylist(), known, strict=True):
        names = more.setdefault(int(kept), set(topics_of(of_kept) if of_kept else ()))
        if topic and not names.issuperset(topics_of(topic)):
            names.update(topics_of(topic))
            further[row] = True
    if not further.any():
        return answers, further
    texts = topics.to_pylist()
    for kept, names in more.items():
        texts[kept] = text_of(names)
    return _replaced(answers, "topic_id", pa.array(texts, pa.string()).dictionary_encode()), further


def _replaced(answers: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return answers.set_column(answers.column_names.index(name), name, column)
