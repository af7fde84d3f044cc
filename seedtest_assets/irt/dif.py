"""Differential item functioning: is an item as hard for one group as for another, at the same ability."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from seedtest_assets.irt.dif_effects import adjusted_for_many_tests, areas_between, flags
from seedtest_assets.irt.dif_likelihood_ratio import (
    FOCAL,
    REFERENCE,
    GroupFit,
    LikelihoodRatio,
    likelihood_ratio,
    not_tested,
)
from seedtest_assets.irt.dif_result import ItemDif
from seedtest_assets.irt.dif_screening import Screening, Study
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import Model, model_facts
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.parallel import announce_compilation
from seedtest_assets.irt.parameters import joined
from seedtest_assets.irt.remarks import names_of
from seedtest_assets.irt.responses import Responses

# So that the chi-square of a test of two groups means something.
MIN_GROUP_RESPONSES = 30
# A change of a and d at which X2 is within 1e-5 of its value.
TOLERANCE = 1e-5
# Items up to which all are tested by likelihood ratio; of more, those that the screening finds.
MOST_ITEMS_TESTED = 60


def differential_item_functioning(
    responses: Responses,
    focal: ArrayLike,
    model: Model = "2PL",
    *,
    anchors: ArrayLike | None = None,
    options: Options | None = None,
) -> ItemDif:
    """Find items that are harder, or discriminate otherwise, in one group at the same ability.

    Mantel-Haenszel and logistic regression screen the items, again without those they find until these stay the same; the
    likelihood-ratio test confirms, against the others as anchors. `ItemDif` has the sources.

    Parameters
    ----------
    responses : Responses
        Items with partial credit are left out, and named in a warning.
    focal : bool [n_persons]
        Whether each person is of the focal group; the others are the reference group, which is N(0, 1).
    model : {"Rasch", "2PL", "3PL"}
        For a 3PL c is estimated with all items equal in both groups and then held, so that a and b are tested.
    anchors : item codes, optional
        Items known to be the same in both groups. All others are tested, and Mantel-Haenszel matches by all other items.
        By default the screening chooses the anchors, and anchors are tested, too, by freeing each; with more than 60
        items only those that the screening finds are tested.
    options : Options, optional
        Of these count `min_responses` (an item needs so many answers in each group, right and wrong ones; 30 by default),
        `tolerance`, `max_iterations` and, for a 3PL, `prior_c` and `fixed_c`. Priors of a and b would shrink a difference.

    Returns
    -------
    ItemDif

    Raises
    ------
    DataError
        A group without answers, no item that can be studied, or anchors that cannot be anchors.

    Examples
    --------
    >>> import numpy as np
    >>> from seedtest_assets import irt
    >>> focal = np.arange(2000) >= 1000
    >>> theta = np.random.default_rng(1).normal(np.where(focal, -0.3, 0.0))
    >>> items = irt.ItemParameters(np.arange(12), a=np.full(12, 1.2), b=np.linspace(-1.5, 1.5, 12), c=np.zeros(12))
    >>> harder = irt.ItemParameters(items.item, items.a, items.b + 0.8 * (items.item == 4), items.c)
    >>> marks = np.where(focal[:, None], irt.simulate(theta, harder, seed=2), irt.simulate(theta, items, seed=2))
    >>> dif = irt.differential_item_functioning(irt.Responses.from_matrix(marks), focal)
    >>> dif.item[dif.flag != "A"]
    array([4], dtype=int32)
    """
    model_facts(model)
    options = options or Options(min_responses=MIN_GROUP_RESPONSES, tolerance=TOLERANCE)
    options.check(model)
    announce_compilation()
    return _of_study(Study.of(responses, focal, model, options), anchors)


def _of_study(study: Study, anchors: ArrayLike | None) -> ItemDif:
    """Screen and test the items, again without those whose discrimination has no finite estimate until there are none."""
    while True:
        rows, warnings = study.anchor_rows(anchors)
        screening = study.screened(rows)
        clean = np.isin(np.arange(study.answers.n_items), rows) if len(rows) else screening.clean
        base = study.model.fit(clean & study.answers.studied, study.alike)
        if not base.unbounded.any():
            found = _confirm(study, screening, base, given=len(rows) > 0)
            return replace(found, warnings=(*warnings, *found.warnings))
        study = study.without(base.unbounded)


def _tests(study: Study, base: GroupFit, *, given: bool) -> tuple[np.ndarray, list[LikelihoodRatio]]:
    """Test the items by likelihood ratio; gives their rows. given: whether the caller gave the anchors."""
    rows = np.flatnonzero(study.answers.studied & ~(base.equal & given))
    if not len(rows):
        raise DataError("every item that can be studied is an anchor. Leave out of the anchors what is to be tested")
    all_tested = given or len(rows) <= MOST_ITEMS_TESTED
    tests = [
        likelihood_ratio(study.model, base, row) if all_tested or not base.equal[row] else not_tested(base, row)
        for row in rows.tolist()
    ]
    return rows, tests


def _confirm(study: Study, screening: Screening, base: GroupFit, *, given: bool) -> ItemDif:
    """Test the items, and put the results together."""
    answers = study.answers
    rows, tests = _tests(study, base, given=given)
    reference, focal = joined([test.reference for test in tests]), joined([test.focal for test in tests])
    x2 = np.array([test.x2 for test in tests])
    df = np.where(np.isnan(x2), np.nan, 1.0 + model_facts(study.model.model).own_slopes)
    p = chdtrc(df, x2)
    p_adjusted = adjusted_for_many_tests(p, len(rows))
    signed, unsigned = areas_between(reference, focal)
    by_score, (focal_mean, focal_sd) = screening.mantel_haenszel, base.focal_mean_and_sd
    return ItemDif(
        item=answers.items[rows],
        n_reference=answers.count[REFERENCE, rows].sum(axis=1),
        n_focal=answers.count[FOCAL, rows].sum(axis=1),
        mh_delta=by_score.delta[rows],
        mh_se=by_score.se[rows],
        mh_chi_square=by_score.chi_square[rows],
        mh_class=by_score.ets_class[rows],
        logistic_x2=screening.logistic_x2[rows],
        logistic_p=screening.logistic_p[rows],
        lr_x2=x2,
        df=df,
        p=p,
        p_adjusted=p_adjusted,
        signed_area=signed,
        unsigned_area=unsigned,
        flag=flags(unsigned, reference, focal, x2, p_adjusted),
        reference=reference,
        focal=focal,
        focal_mean=focal_mean,
        focal_sd=focal_sd,
        anchors=answers.items[base.equal],
        matched_on=study.matched_on,
        loglik=base.loglik,
        converged=base.converged and all(test.converged for test in tests),
        warnings=(*study.warnings, *screening.warnings, *_warnings(study, base, answers.items[rows], tests)),
    )


def _warnings(study: Study, base: GroupFit, items: np.ndarray, tests: list[LikelihoodRatio]) -> Iterator[str]:
    """Warn of fits that ended early. items: codes of those tested."""
    of_items = {
        "X2 may be a little too low, since discrimination has no finite estimate in a group ({}): {}": [
            test.unbounded for test in tests
        ],
        f"X2 may be wrong, since the fit did not converge in {study.model.stopping.max_iterations} iterations ({{}}): {{}}": [
            not test.converged for test in tests
        ],
    }
    for warning, affected in of_items.items():
        if any(affected):
            yield warning.format(sum(affected), names_of(items[affected], study.responses.item_ids))
    if not base.converged:
        yield f"every X2 may be wrong, since the base did not converge in {study.model.stopping.max_iterations} iterations"
