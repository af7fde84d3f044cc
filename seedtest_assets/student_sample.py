"""A random sample of the students of a large window, where all of them would tell no more."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.encoded_columns import dictionary_of


def sample_of_students(parts: Sequence[pa.Table], most: int) -> list[pa.Table] | None:
    """Read all answers of a random sample of the students, about `most` answers; None where there are hardly more in all.

    parts: with student_id, no student in two of them; which students are in a part is random.
    """
    first = parts[0]
    if len(first) >= 2 * most:
        return [_one_student_in(len(first) // most, first)]
    n_parts = max(most // max(len(first), 1), 1)
    return None if n_parts >= len(parts) else [first, *(parts[number] for number in range(1, n_parts))]


def _one_student_in(several: int, answers: pa.Table) -> pa.Table:
    """Select students by a hash of their ids, which is another than that of the buckets."""
    students = dictionary_of(answers["student_id"])
    chosen = hashes_of(students.dictionary) % several == 0
    return answers.filter(pa.array(chosen[students.indices.to_numpy()]))


def hashes_of(ids: pa.Array) -> np.ndarray:
    """Hash ids, uint64 [n], the same on every machine: by its hash a student is in a sample, however the answers are divided."""
    return pd.util.hash_array(np.asarray(ids, object), categorize=False)
