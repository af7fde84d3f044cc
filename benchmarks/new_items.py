"""New items: log-loss on the next day's answers to items with under 50 answers, by what is known of them before.

    python -m benchmarks.new_items              # simulated banks and the real log, 20 seeds each: some minutes
    python -m benchmarks.new_items 5            # 5 seeds

Simulated: 2,000 persons, 240 items with 300 answers each and 60 new ones with 1 to 49, b = features + the rest. The features
(a topic of 12, a type of 3, the author's difficulty) explain the stated share of the variance of b, and half as much of log a.
Real: the cloze log, of which 24 of its 72 items are made new by hiding all but their first 1 to 49 answers; the only feature is
the sentence (topic_id) that an item is a gap of. The items came all on the same days, so that the log has no new ones itself.
The bank is calibrated without priors, from which the features' effects are taken; then it is calibrated again with each kind of
prior, and the answers that come next to each new item are predicted. Items without parameters are predicted by the bank's mean.

Prints the mean log-loss, and its differences to no prior and to one prior for all items, with 95% intervals over the seeds.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from seedtest_assets import irt
from seedtest_assets.irt.parameters import Line
from seedtest_assets.irt.predicted_priors import KnownItems, predict_items
from seedtest_assets.irt.remarks import REVERSED

LOG = Path(__file__).resolve().parents[2] / "shared/data/lkt_cloze_attempts.parquet"
FEW = 50
NEXT = 20
"""Answers of the next day to each new item."""
LIMIT = 0.001
"""Chances are kept as far from 0 and 1, or a single answer would decide for an estimate that ran away."""
WAYS = ("no prior", "0,0.5 and 0,2 for all", "the bank's mean and SD", "features")


@dataclass(frozen=True)
class Case:
    """Answers until tonight and those of the next day (person, item, correct), and features of the items, 0 to n - 1."""

    known: tuple[np.ndarray, np.ndarray, np.ndarray]
    following: tuple[np.ndarray, np.ndarray, np.ndarray]
    features: dict[str, list[Any]]
    n_persons: int


def main(seeds: int = 20) -> None:
    kinds = {
        "simulated, 50% of b": lambda seed: simulated(seed, 0.5),
        "simulated, 25% of b": lambda seed: simulated(seed, 0.25),
        "simulated, nothing": lambda seed: simulated(seed, 0.0),
        "real log": real,
    }
    print(f"{'':20}{'prior':23}{'log-loss':>8}{'against no prior':>28}{'against one for all':>28}{'R2 of b':>8}")
    for kind, make in kinds.items():
        got = [losses(make(seed)) for seed in range(seeds)]
        table, r_squared = np.array([loss for loss, _ in got]), np.mean([explained for _, explained in got])
        for number, (way, column) in enumerate(zip(WAYS, table.T, strict=True)):
            against = [_difference(column - table[:, other]) if other < number else "" for other in (0, 1)]
            explained = f"{r_squared:.2f}" if way == WAYS[-1] else ""
            print(f"{kind:20}{way:23}{column.mean():8.4f}{against[0]:>28}{against[1]:>28}{explained:>8}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")


def _difference(values: np.ndarray) -> str:
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.4f} ({values.mean() - half:+.4f}, {values.mean() + half:+.4f})"


def losses(case: Case) -> tuple[list[float], float]:
    """Mean log-loss of each of WAYS, and the R squared of b's regression."""
    n_items = len(next(iter(case.features.values())))
    responses = irt.Responses.from_answers(*case.known, n_persons=case.n_persons, n_items=n_items)
    bank = irt.calibrate(responses)
    options = [irt.Options(), irt.Options(prior_a=(0, 0.5), prior_b=(0, 2))]
    r_squared = 0.0
    for features in ({"none": [None] * n_items}, case.features):
        priors, r_squared = feature_priors(bank, features, n_items)
        options.append(irt.Options(by_item=priors))
    return [log_loss(case, irt.calibrate(responses, options=each)) for each in options], r_squared


def feature_priors(
    bank: irt.Calibration, features: dict[str, list[Any]], n_items: int
) -> tuple[irt.PriorsByItem, float]:
    fitted = bank.items.item
    new = np.setdiff1d(np.arange(n_items), fitted)
    without = np.full(len(fitted), np.inf)
    known = KnownItems(
        a=bank.items.a,
        b=bank.items.b,
        se_a=bank.se_a,
        se_b=bank.se_b,
        log_a_prior_sd=without,
        b_prior_sd=without,
    )
    of_bank, of_new = (
        {name: [values[j] for j in items] for name, values in features.items()} for items in (fitted, new)
    )
    log_a, b = predict_items(of_bank, known, of_new, own_slopes=True, n_new=len(new))
    assert log_a is not None
    assert b is not None
    population = Line(bank.group_sd, bank.group_mean)
    items = np.concatenate([fitted, new])
    reversed_key = np.isin(items, [item for item, reason in bank.flagged if reason == REVERSED])
    columns = (each[~reversed_key] for each in (items, log_a.mean, log_a.sd, b.mean, b.sd))
    return irt.PriorsByItem(*columns, population=population), b.regression.r_squared


def log_loss(case: Case, fit: irt.Calibration) -> float:
    """Mean log-loss of the next day's answers, by the abilities and parameters of a calibration."""
    n_items = len(next(iter(case.features.values())))
    log_a = np.full(n_items, np.log(fit.items.a[fit.items.a > 0]).mean())
    a, b = np.exp(log_a), np.full(n_items, np.median(fit.items.b))
    a[fit.items.item], b[fit.items.item] = fit.items.a, fit.items.b
    person, item, correct = case.following
    p = np.clip(expit(a[item] * (fit.theta[person] - b[item])), LIMIT, 1 - LIMIT)
    return float(-np.mean(np.where(correct, np.log(p), np.log1p(-p))))


def simulated(seed: int, explained: float) -> Case:
    """A bank whose features explain that share of the variance of b, and half of it of log a."""
    rng = np.random.default_rng(seed)
    n_persons, n_old, n_new = 2000, 240, 60
    n = n_old + n_new
    topic, kind, author = rng.integers(0, 12, n), rng.integers(0, 3, n), rng.normal(size=n)
    effect = sum(values / values.std() for values in (rng.normal(size=12)[topic], rng.normal(size=3)[kind], author))
    effect = (effect - effect.mean()) / effect.std()
    b = np.sqrt(explained) * effect + np.sqrt(1 - explained) * rng.normal(size=n)
    log_a = 0.3 * (np.sqrt(explained / 2) * effect + np.sqrt(1 - explained / 2) * rng.normal(size=n))
    theta = rng.normal(size=n_persons)
    given = np.concatenate([np.full(n_old, 300), rng.integers(1, FEW, n_new)])
    answers = [(rng.permutation(n_persons)[: given[j] + NEXT * (j >= n_old)], j) for j in range(n)]
    persons, items = (
        np.concatenate(each) for each in zip(*((who, np.full(len(who), j)) for who, j in answers), strict=True)
    )
    correct = rng.random(len(persons)) < expit(np.exp(log_a[items]) * (theta[persons] - b[items]))
    place = np.concatenate([np.arange(len(who)) for who, _ in answers])
    tomorrow = place >= given[items]
    features = {
        "topic": [f"topic {t}" for t in topic],
        "type": [f"type {k}" for k in kind],
        "author": (author + rng.normal(0, 0.3, n)).tolist(),
    }
    return _case((persons, items, correct), tomorrow, features, n_persons)


def real(seed: int) -> Case:
    """The real log, a third of whose items are made new."""
    rng = np.random.default_rng(seed)
    log = pd.read_parquet(LOG).sort_values("completed_at").drop_duplicates(["student_id", "item_id"])
    person, persons = pd.factorize(log["student_id"])
    item, items = pd.factorize(log["item_id"])
    topics = log.drop_duplicates("item_id").set_index("item_id")["topic_id"].loc[items]
    new = rng.permutation(len(items))[: len(items) // 3]
    given = np.full(len(items), len(log))
    given[new] = rng.integers(1, FEW, len(new))
    place = log.groupby("item_id").cumcount().to_numpy()
    kept = place < given[item] + NEXT
    answers = tuple(values[kept] for values in (person, item, log["correct"].to_numpy(bool)))
    return _case(answers, (place >= given[item])[kept], {"topic_id": topics.tolist()}, len(persons))


def _case(answers: tuple[Any, ...], tomorrow: np.ndarray, features: dict[str, list[Any]], n_persons: int) -> Case:
    known, following = (tuple(values[rows] for values in answers) for rows in (~tomorrow, tomorrow))
    return Case(known, following, features, n_persons)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
