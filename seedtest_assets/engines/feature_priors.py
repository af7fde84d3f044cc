"""Priors of a night's items from their features and the bank's newest calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets.calibration import ITEM_PRIOR_COLUMNS, no_item_priors
from seedtest_assets.irt.explanatory import FEWEST_ITEMS
from seedtest_assets.irt.models import Model, model_facts
from seedtest_assets.irt.predicted_priors import KnownItems, Prediction, predict_items
from seedtest_assets.irt.remarks import REVERSED

# Where all items have one slope, that of a single item is not used.
NO_LOG_A = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class CalibratedBank:
    """The bank as a night left it: ITEM_COLUMNS of its items, and the model_spec of the fit."""

    items: pd.DataFrame
    model_spec: Mapping[str, Any]

    @property
    def population(self) -> tuple[float, float]:
        """Mean and SD of the calibrated persons' ability on the bank's scale."""
        return float(self.model_spec.get("group_mean", 0.0)), float(self.model_spec.get("group_sd", 1.0))


@dataclass(frozen=True, kw_only=True)
class FeaturePriors:
    """Priors of items, ITEM_PRIOR_COLUMNS on the bank's scale; what they come from; and why there are none, a line."""

    table: pd.DataFrame = field(default_factory=no_item_priors)
    population: tuple[float, float] = (0.0, 1.0)
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def feature_priors(
    bank: CalibratedBank, features: pd.DataFrame, item_ids: Sequence[str], anchors: Sequence[str], model: Model
) -> FeaturePriors:
    """Predict a and b of the items that are answered from what is known of the bank's.

    Anchors have no prior, since their values are known, nor has an item whose a was below 0 beyond its error: features do
    not know of a wrong key, and a prior of log a would hide it.

    features: item_id and a column a feature; item_ids: of the items with answers; model: of the night.
    """
    if bank.model_spec.get("model") != model:
        return _none(f"the newest calibration is of model {bank.model_spec.get('model')}, not {model}")
    items, facts = bank.items, model_facts(model)
    names = [name for name in features if name != "item_id"]
    by_item = features.set_index("item_id")[names]
    new = pd.Index(item_ids).unique().difference(items["item_id"])
    of_bank, of_new = (
        {name: _without_nan(by_item[name].reindex(ids)) for name in names} for ids in (items["item_id"], new)
    )
    log_a, b = predict_items(of_bank, _known(bank), of_new, own_slopes=facts.own_slopes, n_new=len(new))
    if b is None or (log_a is None and facts.own_slopes):
        return _none(
            f"fewer than {FEWEST_ITEMS} items of the bank have an a above 0 and answers that determine a and b"
        )
    every = [*items["item_id"], *new]
    log_a_mean, log_a_sd = (log_a.mean, log_a.sd) if log_a else (np.full(len(every), each) for each in NO_LOG_A)
    table = pd.DataFrame(dict(zip(ITEM_PRIOR_COLUMNS, (every, log_a_mean, log_a_sd, b.mean, b.sd), strict=True)))
    reversed_keys = items.loc[items["flag"] == REVERSED, "item_id"]
    kept = table["item_id"].isin(item_ids) & ~table["item_id"].isin([*anchors, *reversed_keys])
    regressions = {"b": b} | ({"log_a": log_a} if log_a else {})
    return FeaturePriors(
        table=table[kept],
        population=bank.population,
        facts={"n_items": int(kept.sum()), "features": names}
        | {name: _described(prediction) for name, prediction in regressions.items()},
    )


def provisional_items(items: pd.DataFrame, most_se_b: float) -> dict[str, str]:
    """Say of each item, by its id, that its parameters are provisional while b is not known well enough; anchors' are known.

    items: ITEM_COLUMNS.
    """
    known = items["is_anchor"] | (items["se_b"] <= most_se_b)
    return {
        item: f"provisional: the standard error of b is {'unknown' if np.isnan(se) else f'{se:.2f}, above {most_se_b:g}'}"
        for item, se in items.loc[~known, ["item_id", "se_b"]].itertuples(index=False)
    }


def _known(bank: CalibratedBank) -> KnownItems:
    """Give the bank's parameters and the priors that they were estimated with."""
    items, specification = bank.items, bank.model_spec
    of_items, of_all = specification.get("item_priors", {}), specification.get("priors", {})
    sds = []
    for name, prior, unit in (("log_a", "prior_a", 1.0), ("b", "prior_b", bank.population[1])):
        sd = float(of_all[prior][1]) * unit if prior in of_all else np.inf
        own = of_items[name]["residual_sd"] if name in of_items else sd
        sds.append(np.where(items["is_anchor"], sd, own))
    values = {name: items[name].to_numpy(float) for name in ("a", "b", "se_a", "se_b")}
    held = items["is_anchor"].to_numpy(bool) & np.isnan(values["se_b"])
    errors = {name: np.where(held, 0.0, values[name]) for name in ("se_a", "se_b")}
    return KnownItems(a=values["a"], b=values["b"], **errors, log_a_prior_sd=sds[0], b_prior_sd=sds[1])


def _described(prediction: Prediction) -> dict[str, Any]:
    regression = prediction.regression
    return {
        "n_items": prediction.n_items,
        "r_squared": regression.r_squared,
        "residual_sd": regression.residual_sd,
        "bank_sd": regression.bank_sd,
        "penalty": regression.penalty,
    }


def _without_nan(values: pd.Series) -> list[Any]:
    """List values, None where there is none."""
    return [None if isinstance(value, float) and np.isnan(value) else value for value in values]


def _none(reason: str) -> FeaturePriors:
    return FeaturePriors(warnings=(f"items have no priors from SEEDTEST_ITEM_FEATURES: {reason}",))
