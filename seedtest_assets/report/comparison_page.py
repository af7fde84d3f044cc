"""The comparison as one HTML file with everything in it, in English and Korean."""

from importlib.resources import files

import jinja2
from markupsafe import Markup

from seedtest_assets.errors import first_few
from seedtest_assets.report.comparison import Agreement, Comparison
from seedtest_assets.report.drawing import BLUE, GREY, panels, styled, svg
from seedtest_assets.report.item_table import number
from seedtest_assets.report.translations import bilingual


def comparison_page(comparison: Comparison) -> str:
    """Render the comparison as HTML that needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seedtest_assets", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("comparison.html.j2").render(
        t=bilingual,
        css=Markup(files("seedtest_assets.report").joinpath("page.css").read_text(encoding="utf-8")),
        comparison=comparison,
        fitted_at=f"{comparison.old_fitted_at:%Y-%m-%d %H:%M} UTC" if comparison.old_fitted_at else "–",
        rows=[(name, _numbers(compared)) for name, compared in comparison.agreements.items()],
        other_scores=first_few(comparison.other_scores),
        scatter=Markup(_scatter(comparison)),
        largest={
            name: [
                (row.name, number(row.old), number(row.ours), number(row.difference, signed=True))
                for row in comparison.agreements[name].largest.itertuples(index=False)
            ]
            for name in ("difficulty b", "ability")
        },
        losses=[
            (label, f"{loss:.4f}")
            for label, loss in (
                ("publishing job", comparison.prediction.old),
                ("seedtest", comparison.prediction.ours),
                ("the same chance for all", comparison.prediction.base),
            )
            if loss is not None
        ],
    )


def _numbers(agreement: Agreement) -> list[str]:
    values = (agreement.correlation, agreement.slope, agreement.intercept, agreement.rest)
    counts = [f"{len(agreement.both):,}", f"{agreement.n_old:,}", f"{agreement.n_ours:,}"]
    return counts + ["–" if value is None else f"{value:.3f}" for value in values]


def _scatter(comparison: Comparison) -> str:
    with styled():
        figure, axes = panels(1, 3, 3.6, margins=(0.4, 0.55))
        for place, (name, agreement) in zip(axes, comparison.agreements.items(), strict=True):
            place.plot(
                agreement.both["old"], agreement.both["ours"], linestyle="none", marker="o", markersize=3, color=BLUE
            )
            if len(agreement.both):
                place.axline((float(agreement.both["old"].mean()),) * 2, slope=1, color=GREY, linestyle="--")
            place.set(xlabel="publishing job", ylabel="seedtest" if name == "difficulty b" else "", title=name)
        return svg(figure, "Results of both jobs against each other; the dashed line is equality")
