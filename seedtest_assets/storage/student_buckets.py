"""Buckets of students: the CRC-32 of the id says which one a student is in, the same on every machine."""

from zlib import crc32

import numpy as np
import pyarrow as pa

from seedtest_assets.encoded_columns import dictionary_of
from seedtest_assets.storage.bucket import Bucket

# A file costs about as much to open as 10,000 answers to read: a small school keeps a file a day.
ANSWERS_OF_A_FILE = 10_000
# Such a part of a window takes some 60 MB. A window of 60 days has no more parts than its days have files, which are then read once.
ANSWERS_OF_A_PART = 1_000_000


def bucket_numbers(student_id: pa.ChunkedArray, n_buckets: int) -> np.ndarray:
    """Give the bucket of each answer's student, int64 [n]. student_id: text or dictionary-encoded, without nulls."""
    students = dictionary_of(student_id)
    ids = students.dictionary.cast(pa.binary()).to_pylist()
    return np.array([crc32(name) % n_buckets for name in ids], np.int64)[students.indices.to_numpy()]


def answers_in(answers: pa.Table, bucket: Bucket) -> pa.Table:
    """Select the answers of a bucket's students. answers: with student_id."""
    return answers.filter(pa.array(bucket_numbers(answers["student_id"], bucket.n_buckets) == bucket.number))


def buckets_of_a_day(n_answers: int, n_buckets: int) -> int:
    """Choose how many files a day has: as many of the lake's buckets as leave each ANSWERS_OF_A_FILE, or 1.

    A divisor of n_buckets, so that each of them is within one file.
    """
    return max(n for n in _divisors(n_buckets) if n == 1 or n * ANSWERS_OF_A_FILE <= n_answers)


def buckets_of_a_window(n_answers: int, n_buckets: int) -> int:
    """Choose in how many parts a window is read: as few as leave none above ANSWERS_OF_A_PART, at most n_buckets."""
    return min(n for n in _divisors(n_buckets) if n == n_buckets or n * ANSWERS_OF_A_PART >= n_answers)


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]
