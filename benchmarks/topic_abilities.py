"""Time and memory of topic abilities: 100,000 students with 10 topics of 20 answers each, tau estimated.

python -m benchmarks.topic_abilities [students] [topics] [answers a topic]
"""

import os
import resource
import sys
import time

import numpy as np

from seedtest_assets.irt import ItemParameters, TopicAnswers, topic_abilities

TRUE_TAU = 0.4


def main(students: int = 100_000, topics: int = 10, per_topic: float = 20, items: int = 2_000) -> None:
    random = np.random.default_rng(20250101)
    bank = ItemParameters(
        np.arange(items), random.lognormal(0, 0.3, items), random.normal(0, 1, items), np.zeros(items)
    )
    ability = random.normal(size=(students, 1)) + TRUE_TAU * random.normal(size=(students, topics))
    each = round(topics * per_topic)
    person = np.repeat(np.arange(students, dtype=np.int32), each)
    topic = np.tile(np.arange(each, dtype=np.int32) % np.int32(topics), students)
    item, correct = np.empty(len(person), np.int32), np.empty(len(person), np.uint8)
    for low in range(0, len(person), 1_000_000):  # so that the peak is that of the abilities
        some = slice(low, low + 1_000_000)
        item[some] = random.integers(0, items, len(item[some]))
        chance = 1 / (1 + np.exp(-bank.a[item[some]] * (ability[person[some], topic[some]] - bank.b[item[some]])))
        correct[some] = random.random(len(chance)) < chance
    few = slice(0, 300 * each)
    topic_abilities(TopicAnswers(person[few], topic[few], item[few], correct[few]), bank)  # compiles

    before = _peak_memory()
    began, processor = time.perf_counter(), time.process_time()
    got = topic_abilities(TopicAnswers(person, topic, item, correct), bank)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    error = got.theta - ability.ravel()
    print(f"{len(got.theta):,} (student, topic) pairs, {len(person):,} answers, load {os.getloadavg()[0]:.1f}")
    print(
        f"{seconds:.1f} s, {processor:.1f} s of processor time, peak {_peak_memory():.2f} GB ({before:.2f} GB before)"
    )
    print(f"tau {got.spread.tau:.4f} (se {got.spread.tau_se:.4f}, true {TRUE_TAU}), {got.spread.iterations} iterations")
    print(f"RMSE {np.sqrt(np.mean(error**2)):.4f}, 95% intervals cover {np.mean(np.abs(error) < 1.96 * got.se):.4f}")


def _peak_memory() -> float:
    """GB, of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main(*(kind(given) for kind, given in zip((int, int, float, int), sys.argv[1:], strict=False)))
