"""Groups of persons with like items: those that the first axis of the correspondence analysis gives."""

import numpy as np

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.design import groups_by_items
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.item_scores import right_or_wrong

PERSONS, ITEMS, EACH, GROUPS = 12_000, 60, 12, 10


def items_near_ability() -> np.ndarray:
    """Which items each person was given, bool [n_persons, n_items]: those near an ability that was known before."""
    random = np.random.default_rng(7)
    ability, difficulty = random.normal(size=(PERSONS, 1)), np.linspace(-2, 2, ITEMS)
    distance = np.abs(difficulty - ability) + random.gumbel(0, 0.5, (PERSONS, ITEMS))
    return distance <= np.partition(distance, EACH - 1, axis=1)[:, [EACH - 1]]


def test_all_persons_are_in_the_groups_of_the_axis_though_the_search_begins_with_some():
    given = items_near_ability()
    item = np.nonzero(given)[1]
    scores = right_or_wrong(ITEMS)
    code = (2 * item).astype(np.int32)
    start = np.concatenate([[0], np.cumsum(given.sum(axis=1))])
    count = np.bincount(code, minlength=2 * ITEMS)
    answers = Answers(start, code, count, scores, np.zeros(PERSONS, np.int32), 1, np.empty(0, np.int64))
    grouping = groups_by_items(AnswerShards.here(answers), np.linspace(-2, 2, ITEMS))
    # The axis by the eigenvectors of all persons' answers (Hill, 1973); the first is the trivial one.
    times = given.sum(axis=0)
    shared = given.T @ (given / given.sum(axis=1, keepdims=True))
    vectors = np.linalg.eigh(shared / np.sqrt(np.outer(times, times)))[1]
    axis = vectors[:, -2] / np.sqrt(times)
    place = given @ axis / given.sum(axis=1)
    cuts = np.quantile(place, np.arange(1, GROUPS) / GROUPS)
    expected = np.searchsorted(cuts, place, side="right")
    (found,) = grouping.groups.each(lambda group: group)
    if np.corrcoef(axis, grouping.place)[0, 1] < 0:
        expected = GROUPS - 1 - expected
    assert np.mean(found == expected) > 0.999
