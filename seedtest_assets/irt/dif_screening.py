"""Screening of items for DIF by Mantel-Haenszel and logistic regression, purified of the items they find."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from seedtest_assets.irt.dif_answers import GroupedAnswers
from seedtest_assets.irt.dif_likelihood_ratio import GroupFit, GroupModel
from seedtest_assets.irt.dif_logistic import logistic_regression
from seedtest_assets.irt.dif_mantel_haenszel import SIGNIFICANT, MantelHaenszel, mantel_haenszel
from seedtest_assets.irt.dif_matching import rest_abilities, rest_scores
from seedtest_assets.irt.em import Stopping
from seedtest_assets.irt.errors import DataError
from seedtest_assets.irt.models import Model
from seedtest_assets.irt.options import Options
from seedtest_assets.irt.priors import Priors
from seedtest_assets.irt.remarks import names_of
from seedtest_assets.irt.responses import Responses

# Times that the screening is repeated without the items it found.
MOST_PURIFICATIONS = 10
# Anchors that a test needs at least; where the screening leaves fewer, those with the least sign of DIF are taken.
FEWEST_ANCHORS = 4


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What Mantel-Haenszel and logistic regression say; clean: bool [n_items], items without a sign of DIF."""

    mantel_haenszel: MantelHaenszel
    logistic_x2: np.ndarray
    logistic_p: np.ndarray
    clean: np.ndarray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """The answers, the model, and a fit in which every item that both groups answered is equal."""

    responses: Responses
    free_guessing: GroupModel
    alike: GroupFit
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, responses: Responses, focal: ArrayLike, model: Model, options: Options) -> "Study":
        """Fit, leaving out items that cannot be studied."""
        least = max(options.min_responses, 2)
        answers = GroupedAnswers.of(responses, focal, least)
        partial = np.flatnonzero(responses.max_score > 1)
        few = np.setdiff1d(responses.item, np.concatenate([answers.items[answers.studied], partial]))
        reasons = {
            "with partial credit": partial,
            f"with fewer than {least} answers or only right or only wrong ones in a group": few,
        }
        warnings = tuple(
            f"items not studied ({len(items)}), {reason}: {names_of(items, responses.item_ids)}"
            for reason, items in reasons.items()
            if len(items)
        )
        stopping = Stopping(options.tolerance, options.max_iterations, options.progress)
        priors = Priors(prior_c=options.prior_c, fixed_c=options.fixed_c)
        model_of_groups = GroupModel(answers=answers, model=model, stopping=stopping, priors=priors)
        return cls._fitted(responses, model_of_groups, warnings)

    @classmethod
    def _fitted(cls, responses: Responses, model: GroupModel, warnings: tuple[str, ...]) -> "Study":
        if not model.answers.studied.any():
            raise DataError(f"no item can be studied. {'. '.join(warnings)}")
        alike = model.first_fit(model.answers.studied)
        study = cls(responses=responses, free_guessing=model, alike=alike, warnings=warnings)
        return study.without(alike.unbounded) if alike.unbounded.any() else study

    def without(self, unbounded: np.ndarray) -> "Study":
        """Leave out items that separate right from wrong perfectly in a group, bool [n_items], and fit again."""
        names = names_of(self.answers.items[unbounded], self.responses.item_ids)
        warning = (
            f"items not studied ({np.count_nonzero(unbounded)}), since their answers separate perfectly in a group, so "
            f"that discrimination has no finite estimate: {names}"
        )
        model = replace(self.free_guessing, answers=self.answers.without(unbounded))
        return self._fitted(self.responses, model, (*self.warnings, warning))

    @property
    def answers(self) -> GroupedAnswers:
        return self.free_guessing.answers

    @property
    def model(self) -> GroupModel:
        """The model of all further fits, for a 3PL with c held where it was estimated with every item equal."""
        return self.free_guessing.holding_guessing()

    def anchor_rows(self, codes: ArrayLike | None) -> tuple[np.ndarray, tuple[str, ...]]:
        """Find the rows of anchors, int64, and warn of those that are not studied; raises DataError if none is left."""
        if codes is None:
            return np.array([], np.int64), ()
        codes = np.unique(np.asarray(codes, dtype=np.int64))
        rows = self.answers.row_of(codes)
        unusable = codes[rows < 0]
        if len(unusable) == len(codes):
            raise DataError(
                "none of the anchors can be studied: with enough answers in both groups, right and wrong ones, and no partial credit"
            )
        names = names_of(unusable, self.responses.item_ids)
        warning = f"anchors not used ({len(unusable)} of {len(codes)}), since they are not studied: {names}"
        return rows[rows >= 0], (warning,) if len(unusable) else ()

    @property
    def matched_on(self) -> str:
        """What Mantel-Haenszel matches on."""
        return "rest score" if self.answers.complete else "ability"

    def screened(self, anchors: np.ndarray) -> Screening:
        """Screen the items again and again, matched by those without a sign of DIF, until these stay the same.

        anchors: rows of items that have none. With them the rest score is that of all other items: nothing is left for
        it to be purified by.
        """
        clean = np.ones(self.answers.n_items, bool)
        screening, seen = self._screen(clean, anchors), set[bytes]()
        while clean.tobytes() not in seen and len(seen) < MOST_PURIFICATIONS:
            seen.add(clean.tobytes())
            clean = screening.clean
            screening = self._screen(clean, anchors)
        if self.answers.complete:
            scores = rest_scores(self.answers, clean | bool(len(anchors)))
            screening = replace(screening, mantel_haenszel=mantel_haenszel(self.answers, scores))
        return screening

    def _screen(self, clean: np.ndarray, anchors: np.ndarray) -> Screening:
        """Screen every item, matched by the ability that the other clean items show."""
        answers, rows = self.answers, np.arange(self.answers.n_items)
        matching = rest_abilities(answers, clean, self.alike.curves, self.alike.grid)
        found = mantel_haenszel(answers, matching)
        x2, p = logistic_regression(answers, matching)
        without_sign = (~(found.p < SIGNIFICANT) & ~(p < SIGNIFICANT)) | np.isin(rows, anchors)
        warnings: tuple[str, ...] = ()
        if np.count_nonzero(without_sign & answers.studied) < FEWEST_ANCHORS and not len(anchors):
            least = np.argsort(np.where(answers.studied, x2, np.inf), kind="stable")[:FEWEST_ANCHORS]
            without_sign = np.isin(rows, least)
            warnings = (
                f"the screening leaves fewer than {FEWEST_ANCHORS} items without a sign of DIF. Those with the least "
                "are the anchors, but they may not be clean: pass anchors",
            )
        return Screening(mantel_haenszel=found, logistic_x2=x2, logistic_p=p, clean=without_sign, warnings=warnings)
