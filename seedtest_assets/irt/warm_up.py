"""Compile the kernels ahead of their first use, by small calculations that need them."""

from collections.abc import Iterable

import numpy as np

from seedtest_assets.irt.ability import expected_a_posteriori
from seedtest_assets.irt.calibration import calibrate
from seedtest_assets.irt.dif import differential_item_functioning
from seedtest_assets.irt.fit_statistics import item_fit
from seedtest_assets.irt.lz_star import person_fit
from seedtest_assets.irt.models import MODELS, Model, Models
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.parameters import ItemParameters
from seedtest_assets.irt.responses import Responses
from seedtest_assets.irt.score_fit import s_x2
from seedtest_assets.irt.second_compiler import two_items
from seedtest_assets.irt.simulation import simulate
from seedtest_assets.irt.standard_errors import own_blocks
from seedtest_assets.irt.topic_answers import TopicAnswers
from seedtest_assets.irt.topic_tau import topic_spread
from seedtest_assets.irt.topics import topic_abilities


def warm_up(models: Iterable[Model] = MODELS) -> None:
    """Compile what calibrations with these models, abilities, fit statistics and topic abilities run.

    Compiled kernels are kept on disk, so that this takes about half a minute once a machine, and a second later.

    Parameters
    ----------
    models : str
        Some of MODELS.

    Returns
    -------
    None

    Raises
    ------
    DataError
        A model that is none of MODELS.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.warm_up(["2PL"])
    """
    bank = ItemParameters(np.arange(12), a=np.ones(12), b=np.linspace(-1.5, 1.5, 12), c=np.zeros(12))
    theta = np.random.default_rng(0).normal(size=1000)
    marks = simulate(theta, bank)
    # Two forms by ability, whose persons get populations of their own.
    given = np.where((theta < 0)[:, None], bank.item < 7, bank.item >= 5)
    person, item = np.nonzero(given)
    person, item = np.r_[0, person], np.r_[item[0], item]  # an answer given twice
    correct = marks[person, item] == 1
    timed = Responses.from_answers(person, item, correct, time=np.arange(len(person)))
    untimed = Responses.from_matrix(np.where(given, marks, np.nan))
    answers = TopicAnswers(person[1:], item[1:] % 3, item[1:], correct[1:])
    # In the order in which a night needs them, so that one that begins meanwhile waits least.
    for model in models:
        calibrate(timed, model, anchors=bank)
        own_blocks(two_items(model))  # as of a bank of thousands of items
    topic_abilities(answers, bank, tau=topic_spread(answers, bank))
    item_fit(untimed, bank, theta)
    for model in models:
        for options in (Options(), Options(linking_method="fixed"), Options(prior_b=(0.0, 2.0))):
            calibrate(untimed, model, anchors=bank, options=options)
    expected_a_posteriori(untimed, bank)
    steep = ItemParameters(bank.item, a=np.full(12, 15.0), b=bank.b, c=bank.c)  # needs grids of the persons' own
    expected_a_posteriori(untimed, steep)
    person_fit(untimed, bank)
    s_x2(Responses.from_matrix(marks), bank)
    differential_item_functioning(untimed, np.arange(len(theta)) % 2 == 0)
    _with_partial_credit(bank, theta, given)


def _with_partial_credit(bank: ItemParameters, theta: np.ndarray, given: np.ndarray) -> None:
    """Compile the same for a bank in which some items have partial credit."""
    model = np.array(["GRM", "GPCM", "PCM", ""] * 3, object)
    steps = np.where((model != "")[:, None], bank.b[:, None] + np.array([-0.7, 0.7]), np.nan)
    mixed = ItemParameters(bank.item, bank.a, bank.b, bank.c, steps, model)
    scores = simulate(theta, mixed)
    responses = Responses.from_matrix(np.where(given, scores, np.nan))
    models = Models(
        item_models={int(item): of_item for item, of_item in zip(mixed.item, model, strict=True) if of_item}
    )
    person, item = np.nonzero(given)
    answers = TopicAnswers(person, item % 3, item, scores[person, item])
    for options in (Options(), Options(linking_method="fixed")):
        calibrate(responses, models, anchors=mixed, options=options)
    topic_abilities(answers, mixed, tau=topic_spread(answers, mixed))
    item_fit(responses, mixed, theta)
    person_fit(responses, mixed)
