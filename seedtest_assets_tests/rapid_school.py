"""The small school with rapid guesses in it, and what a policy makes of answers, counted row by row."""

import numpy as np
import pandas as pd
import pyarrow as pa

from seedtest_assets.cli.simulated_school import School
from seedtest_assets.rapid_guesses import LEAST_TIMED_ANSWERS
from seedtest_assets_tests.school import small_school


def school_with_rapid_guesses() -> School:
    """A seventh of the answers of every fifth student take half a second and are right by chance; a tenth have no time."""
    school, rng = small_school(), np.random.default_rng(8)
    log = school.answers.to_pandas()
    guessed = log["student_id"].str[-1].isin(["3", "8"]) & (rng.random(len(log)) < 1 / 7)
    times = log["response_time_ms"].where(~guessed, 500).where(rng.random(len(log)) > 0.1)
    correct = np.where(guessed, rng.random(len(log)) < 0.25, log["correct"])
    answers = school.answers
    for name, column in (("response_time_ms", times.astype("Int32")), ("correct", correct)):
        place = answers.column_names.index(name)
        answers = answers.set_column(place, answers.schema.field(name), pa.array(column, from_pandas=True))
    return School(answers, school.questions)


def rapid_rows(log: pd.DataFrame) -> pd.Series:
    """Which rows are rapid guesses, by the definition: less than a tenth of the item's median, at most 10 s."""
    times = log["response_time_ms"].where(log["response_time_ms"] > 0)
    of_item = times.groupby(log["item_id"])
    threshold = (of_item.transform("median") / 10).clip(upper=10_000)
    return (times < threshold.where(of_item.transform("count") >= LEAST_TIMED_ANSWERS)).fillna(False).astype(bool)


def with_policy(log: pd.DataFrame, policy: str) -> pd.DataFrame:
    """Treat a log (oldest first) as a policy says."""
    rapid = rapid_rows(log)
    if policy == "wrong":
        return log.assign(correct=log["correct"] & ~rapid)
    if policy == "ignore":
        first = ~log.duplicated(["student_id", "item_id"])
        begun = log.loc[first & rapid, ["student_id", "item_id"]].apply(tuple, axis=1)
        return log[~log[["student_id", "item_id"]].apply(tuple, axis=1).isin(set(begun))]
    return log
