"""The report's numbers: the cards at the top, and the fit in full."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from seedtest_assets.calibration import linked_blocks, n_linking_items, screened_out
from seedtest_assets.item_steps import parameters_by_position
from seedtest_assets.report.data import ReportData
from seedtest_assets.report.findings import MISFIT, named
from seedtest_assets.report.item_curves import ItemCurves
from seedtest_assets.report.translations import bilingual


@dataclass(frozen=True)
class Card:
    """A number at the top of the page."""

    label: str
    value: Any
    note: Any = ""
    alarm: bool = False


def cards(data: ReportData, n_left_out: int) -> list[Card]:
    """Give the key figures, with those of the previous calibration."""
    spec, metrics = data.model_spec, data.metrics
    before = data.history.iloc[-2] if len(data.history) > 1 else None
    reliability = metrics.get("reliability")
    earlier = "" if before is None else bilingual("previous calibration: {value}", value=f"{before['n_items']:,.0f}")
    earlier_reliability = (
        ""
        if before is None or not np.isfinite(before["reliability"])
        else bilingual("previous calibration: {value}", value=f"{before['reliability']:.3f}")
    )
    return [
        Card("Model", _models(data), bilingual("{n} iterations", n=metrics.get("iterations") or "–")),
        Card("Convergence", *_convergence(metrics)),
        Card(
            "Items fitted",
            f"{spec['n_items']:,}",
            earlier
            + (
                Markup(" · ") * bool(earlier) + bilingual("{n} answered but could not be fitted", n=n_left_out)
                if n_left_out
                else ""
            ),
        ),
        Card(
            "Students",
            f"{spec['n_persons']:,}",
            bilingual("mean standard error {se}", se=f"{data.abilities['se'].mean():.2f}"),
        ),
        Card(
            "Answers used",
            f"{spec['n_observations']:,}",
            bilingual("{n} repeated answers set aside", n=f"{metrics.get('n_set_aside') or 0:,}"),
        ),
        Card(
            "Log-likelihood",
            _amount(metrics.get("loglik")),
            f"AIC {_amount(metrics.get('aic'))} · BIC {_amount(metrics.get('bic'))}",
        ),
        Card("Reliability", "–" if reliability is None else f"{reliability:.3f}", earlier_reliability),
        _linking_card(spec),
    ]


def fit_facts(data: ReportData, curves: ItemCurves) -> list[tuple[str, Any]]:
    """List label (a key of the translations) and value of the fit in full."""
    spec, metrics = data.model_spec, data.metrics
    misfit = int((curves.misfit >= MISFIT).sum())
    screened = list(screened_out(spec))
    blocks = [f"{block['method']}, A {block['A']:.4f}, B {block['B']:.4f}" for block in linked_blocks(spec)]
    linked = Markup("<br>").join(blocks) if blocks else bilingual("not linked")
    return [
        (
            "Log-likelihood",
            f"{_amount(metrics.get('loglik'), 3)} · AIC {_amount(metrics.get('aic'), 1)} · BIC {_amount(metrics.get('bic'), 1)}",
        ),
        ("Parameters estimated", f"{metrics['n_parameters']:,}" if metrics.get("n_parameters") else "–"),
        ("Linking method", linked),
        ("Screened out", named(screened) if screened else bilingual("none")),
        (
            "Group on the bank's scale",
            bilingual(
                "mean {mean}, SD {sd}", mean=f"{spec.get('group_mean') or 0:.3f}", sd=f"{spec.get('group_sd') or 1:.3f}"
            ),
        ),
        ("Items with RMSD of 0.1 or more", f"{misfit} / {len(data.items):,}"),
    ]


def _models(data: ReportData) -> str | Markup:
    """Name the model, and where there is partial credit every model with its number of items."""
    items = parameters_by_position(data.items)
    if not items.polytomous.any():
        return str(data.model_spec["model"])
    models = Counter(np.where(items.polytomous, items.model, data.model_spec["model"]).tolist())
    return Markup("<br>").join(
        bilingual("{model}: 1 item" if n == 1 else "{model}: {n} items", model=model, n=f"{n:,}")
        for model, n in models.most_common()
    )


def _convergence(metrics: dict[str, Any]) -> tuple[Markup, Markup, bool]:
    converged = metrics.get("converged")
    state = bilingual("not reported" if converged is None else "converged" if converged else "NOT converged")
    note = bilingual("{n} retries", n=metrics.get("retries") or 0)
    return state, Markup(f"{metrics.get('seconds') or 0:,.1f} s · ") + note, converged is not None and not converged


def _linking_card(spec: dict[str, Any]) -> Card:
    blocks = linked_blocks(spec)
    if not blocks:
        return Card("Linking constants", bilingual("not linked"), "", True)
    value = Markup("<br>").join(f"A {block['A']:.3f} · B {block['B']:+.3f}".replace("-", "−") for block in blocks)
    errors = [f"{block['se_A']:.3f}, {block['se_B']:.3f}" for block in blocks if "se_A" in block and "se_B" in block]
    exact = Markup(" · SE ") + Markup(" / ").join(errors) if errors else ""
    n, out = n_linking_items(spec), len(screened_out(spec))
    if spec.get("linked_to") == "previous":
        note = bilingual(
            "through {n} items of {day}, {out} screened out", n=n, out=out, day=spec.get("linked_to_partition", "–")
        )
    else:
        note = bilingual("through {n} anchors, {out} screened out", n=n, out=out)
    return Card("Linking constants", value, note + exact, any(block.get("contradictory") for block in blocks))


def _amount(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:,.{digits}f}".replace("-", "−")
