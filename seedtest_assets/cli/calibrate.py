"""`seedtest calibrate`: a calibration of a file, without any database."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from seedtest_assets.cli.mark_options import FullMarkOption, KeyOption, NotReachedOption, OmittedOption
from seedtest_assets.cli.terminal import console, plain, progress_line

if TYPE_CHECKING:
    import pandas as pd

    from seedtest_assets.calibration import CalibrationResult
    from seedtest_assets.cli.calibrate_file import FileCalibration

PolytomousModelOption = Annotated[str, typer.Option(help="Model of items with partial credit: GRM, GPCM or PCM.")]
ItemModelsOption = Annotated[
    Path | None, typer.Option(help="CSV with item_id and model (GRM, GPCM or PCM) of single items.")
]
AnchorsOption = Annotated[
    Path | None, typer.Option(help="CSV with item_id, a, b and optionally c, or model, a and b_1, b_2, ...")
]
MaxIterationsOption = Annotated[int | None, typer.Option(min=1, help="Steps of the estimation, 500 if not given.")]
RapidGuessesOption = Annotated[
    str, typer.Option(help="What a rapid guess by response time counts as: keep, wrong or ignore.")
]

ITEMS_SHOWN = 10
"""Items left out, and items to review, that are named on the terminal. fit_meta.json has all."""


def calibrate(
    file: Path,
    model: Annotated[str, typer.Option(help="Rasch (or 1PL), 2PL or 3PL.")] = "2PL",
    polytomous_model: PolytomousModelOption = "GRM",
    item_models: ItemModelsOption = None,
    anchors: AnchorsOption = None,
    linking: str = "stocking_lord",
    prior_a: Annotated[str | None, typer.Option(help="Prior of log a: mean,SD, such as 0,0.5.")] = None,
    prior_b: Annotated[str | None, typer.Option(help="Prior of b: mean,SD, such as 0,2.")] = None,
    prior_c: Annotated[str | None, typer.Option(help="Prior of logit c: mean,SD. 3PL only.")] = None,
    fixed_c: Annotated[float | None, typer.Option(help="c of every item. 3PL only.")] = None,
    max_iterations: MaxIterationsOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("calibration"),
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of stopping.")] = False,
    key: KeyOption = None,
    omitted: OmittedOption = None,
    not_reached: NotReachedOption = None,
    full_mark: FullMarkOption = None,
    rapid_guesses: RapidGuessesOption = "keep",
) -> None:
    """Calibrate a file of answers, long or wide, without any database."""
    from seedtest_assets.cli.calibrate_file import FileRequest, calibrate_file, read_log, score_file, write_files
    from seedtest_assets.errors import InputError
    from seedtest_assets.irt.errors import DataError
    from seedtest_assets.irt.priors import priors_from_text
    from seedtest_assets.storage.mark_rules import mark_rules

    rules = mark_rules(key=key, omitted=omitted, not_reached=not_reached, full_mark=full_mark)
    try:
        request = FileRequest(
            model=model,
            polytomous_model=polytomous_model,
            item_models=item_models,
            anchors=anchors,
            linking_method=linking,
            priors=priors_from_text(prior_a, prior_b, prior_c, fixed_c),
        )
    except DataError as error:
        raise InputError(str(error)) from None
    with progress_line() as show:
        show(f"reading {file}", detail=True)
        log = read_log(file, skip_bad=skip_bad, rules=rules, rapid_guesses=rapid_guesses)
        calibration = calibrate_file(
            log,
            request,
            max_iterations=max_iterations,
            progress=lambda iteration, change, loglik: show(
                f"iteration {iteration}: change {change:.1e}, logLik {loglik:,.3f}", detail=True
            ),
        )
        if rules.for_abilities:
            scored = read_log(file, skip_bad=skip_bad, rules=rules.for_abilities, rapid_guesses=rapid_guesses)
            calibration = score_file(calibration, scored)
        paths = write_files(calibration, out)
    _print(calibration, paths)
    if not calibration.result.metrics["converged"]:
        raise InputError(
            f"the calibration did not converge. The files in {out} hold its last step, which is no result. The warnings say what to do"
        )


def _print(calibration: "FileCalibration", written: list[Path]) -> None:
    """Show what was read, what came out, warnings, and where it was written."""
    table = Table(show_header=False, box=None)
    for name, value in (*_reading(calibration), *_summary(calibration.result)):
        table.add_row(name, plain(value))
    for warning in calibration.result.warnings:
        table.add_row("[yellow]warning[/yellow]", plain(warning))
    table.add_row("written", plain(", ".join(map(str, written))))
    console.print(table)


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.4f}"


def _errors(constants: dict[str, Any]) -> str:
    if "se_A" not in constants:
        return ""
    return f", standard errors {constants['se_A']:.4f} and {constants['se_B']:.4f}"


def _reading(calibration: "FileCalibration") -> Iterator[tuple[str, str]]:
    from seedtest_assets.errors import first_few, number_of

    file = calibration.file
    for note in file.notes:
        yield "file", note
    if len(file.bad):
        yield "not used", f"{len(file.bad):,} of {file.n_rows:,}: {file.describe_bad()}"
    if file.not_answered:
        yield "not answered", ", ".join(f"{count:,} {mark}" for mark, count in file.not_answered.items())
    if calibration.n_repeated:
        yield "repeated", f"{number_of(calibration.n_repeated, 'answer')} to an item answered before: the first counts"
    if file.rapid_guesses.n_timed:
        yield "rapid guesses", file.rapid_guesses.summary
    if unmatched := calibration.anchors_without_answers:
        yield "anchors", f"{len(unmatched):,} of {len(calibration.anchors):,} have no answer: {first_few(unmatched)}"
    if calibration.n_wrong_in_abilities:
        yield "in abilities", f"{number_of(calibration.n_wrong_in_abilities, 'answer')} more, as wrong"
    students = calibration.scored.students_without_answers
    if students:
        yield "no answers", f"{number_of(len(students), 'person')}, with the population's mean and SD"


def _summary(result: "CalibrationResult") -> Iterator[tuple[str, str]]:
    from seedtest_assets.calibration import linked_blocks
    from seedtest_assets.errors import number_of

    spec, metrics = result.model_spec, result.metrics
    models = result.items.loc[result.items["steps"].notna(), "model"].value_counts()
    partial = "".join(f"{model} for {number_of(n, 'item')} with partial credit, " for model, n in models.items())
    yield (
        "model",
        f"{spec['model']}, {partial}{spec['n_items']:,} items, {spec['n_persons']:,} persons, {spec['n_observations']:,} answers",
    )
    yield "fit", f"logLik {metrics['loglik']:,.3f}, AIC {metrics['aic']:,.1f}, BIC {metrics['bic']:,.1f}"
    converged = "yes" if metrics["converged"] else "NO"
    yield "converged", f"{converged}, {metrics['iterations']} iterations, {metrics['seconds']} s"
    for constants in linked_blocks(spec):
        yield (
            "linked",
            f"theta_bank = {constants['A']:.4f} theta {_signed(constants['B'])}{_errors(constants)} "
            f"({constants['method']}, {constants['n_anchors_used']} items, {len(constants['screened_out'])} screened out)",
        )
    yield from _first_items("to review", result.to_review, "{item_id}: {flag} (a {a:.3g}, b {b:.3g})")
    yield from _first_items("left out", result.left_out, "{item_id}: {reason} ({n_responses} answers)")


def _first_items(name: str, items: "pd.DataFrame", line: str) -> Iterator[tuple[str, str]]:
    for row in items.head(ITEMS_SHOWN).to_dict("records"):
        yield name, line.format(**row)
    if len(items) > ITEMS_SHOWN:
        yield name, f"{len(items) - ITEMS_SHOWN} more, see fit_meta.json"
