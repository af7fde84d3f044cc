"""Answers to several topics as a row for each topic."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.engines.codes import codes_and_names
from seedtest_assets.topic_lists import topics_of


@dataclass(frozen=True, kw_only=True)
class TopicRows:
    """A row for each topic of an answer; an answer without a topic has one row.

    topic: int32 [n], code of the topic, -1 for none. names: of the codes. n_topics: [n], topics of the answer, 1 for none; None
    where no answer has several. answer: int64 [n], position of the answer; None where no answer has several.
    """

    topic: np.ndarray
    names: pa.Array
    n_topics: np.ndarray | None = None
    answer: np.ndarray | None = None

    def of_rows(self, column: np.ndarray) -> np.ndarray:
        """Repeat the values of answers for their rows."""
        return column if self.answer is None else column[self.answer]


def rows_by_topic(topic_id: pa.ChunkedArray) -> TopicRows:
    """Split the topics of answers. topic_id: text, one topic or several, see topic_lists.py."""
    code, texts = codes_and_names(topic_id)
    topics = [topics_of(text) for text in texts.to_pylist()]
    size = np.array([*map(len, topics), 1])  # the last place is that of code -1
    if (size == 1).all():
        return TopicRows(topic=code, names=texts)
    names, code_of = np.unique([name for each in topics for name in each], return_inverse=True)
    start = np.concatenate([[0], np.cumsum(size[:-1])])
    n_topics = size[code]
    answer = np.repeat(np.arange(len(code)), n_topics)
    nth = np.arange(len(answer)) - np.repeat(np.cumsum(n_topics) - n_topics, n_topics)
    return TopicRows(
        topic=np.append(code_of, -1).astype(np.int32)[start[code[answer]] + nth],
        names=pa.array(names.tolist(), pa.string()),
        n_topics=n_topics[answer],
        answer=answer,
    )


def active_pairs(answers: pa.Table) -> pa.Table:
    """List each (user_id, topic_id) of the answers that have a topic once. answers: student_id, topic_id of a day."""
    rows = rows_by_topic(answers["topic_id"])
    person, students = codes_and_names(answers["student_id"])
    person, named = rows.of_rows(person), rows.topic >= 0
    n_topics = max(len(rows.names), 1)
    # Found by hashing: most answers repeat a pair, and sorting them all takes ten times as long.
    pairs = np.sort(pd.unique(person[named].astype(np.int64) * n_topics + rows.topic[named]))
    return pa.table(
        {
            "user_id": students.take(pa.array(pairs // n_topics)),
            "topic_id": rows.names.take(pa.array(pairs % n_topics)),
        }
    )
