"""`seedtest dif`: items that are harder for one group of students than for another of the same ability."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from seedtest_assets.cli.mark_options import FullMarkOption, KeyOption, NotReachedOption, OmittedOption
from seedtest_assets.cli.terminal import console, plain, progress_line

if TYPE_CHECKING:
    import pandas as pd

    from seedtest_assets.cli.dif_file import FileDif

ITEMS_SHOWN = 30
"""Flagged items on the terminal. dif.csv has all."""


def dif(
    file: Path,
    group: Annotated[str, typer.Option(help="Column with the student's group.")] = "group_id",
    reference: Annotated[
        str | None, typer.Option(help="Group the others are compared with: the largest if not given.")
    ] = None,
    anchors: Annotated[Path | None, typer.Option(help="CSV with the item_id of items known to be fair.")] = None,
    model: Annotated[str, typer.Option(help="Rasch (or 1PL), 2PL or 3PL.")] = "2PL",
    out: Annotated[Path, typer.Option(help="Folder for dif.csv.")] = Path("dif"),
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of stopping.")] = False,
    key: KeyOption = None,
    omitted: OmittedOption = None,
    not_reached: NotReachedOption = None,
    full_mark: FullMarkOption = None,
) -> None:
    """Find items that are harder for one group than for another at the same ability (DIF), in a file of answers."""
    from seedtest_assets.cli.dif_file import compare_groups, read_grouped_log, write_dif
    from seedtest_assets.storage.mark_rules import mark_rules

    rules = mark_rules(key=key, omitted=omitted, not_reached=not_reached, full_mark=full_mark)
    with progress_line() as show:
        show(f"reading {file}", detail=True)
        log = read_grouped_log(file, group, skip_bad=skip_bad, rules=rules)
        show("comparing groups", detail=True)
        result = compare_groups(log, reference=reference, anchors=anchors, model=model)
        table = result.table()
        path = write_dif(table, out)
    lines = Table(show_header=False, box=None)
    for name, value in (*_reading(result), *_summary(result)):
        lines.add_row(name, plain(value))
    for warning in _warnings(result):
        lines.add_row("[yellow]warning[/yellow]", plain(warning))
    lines.add_row("written", plain(str(path)))
    console.print(lines)
    _print_flagged(table, result.reference)


def _reading(result: "FileDif") -> Iterator[tuple[str, str]]:
    from seedtest_assets.errors import first_few, number_of

    file = result.file
    for note in file.notes:
        yield "file", note
    if len(file.bad):
        yield "not used", f"{len(file.bad):,} of {file.n_rows:,}: {file.describe_bad()}"
    if file.not_answered:
        yield "not answered", ", ".join(f"{count:,} {mark}" for mark, count in file.not_answered.items())
    if result.n_without_group:
        yield "no group", f"{number_of(result.n_without_group, 'student')} left out"
    if unmatched := result.anchors_without_answers:
        yield "anchors", f"{number_of(len(unmatched), 'anchor')} without an answer: {first_few(unmatched)}"


def _summary(result: "FileDif") -> Iterator[tuple[str, str]]:
    from seedtest_assets.errors import first_few, number_of

    yield "reference", f"{result.reference}, {number_of(result.sizes[result.reference], 'student')}"
    for comparison in result.comparisons:
        size = f"{comparison.group}, {number_of(result.sizes[comparison.group], 'student')}"
        if comparison.dif is None:
            yield "not compared", f"{size}: {comparison.reason}"
            continue
        found = comparison.dif
        yield (
            "focal",
            f"{size}: mean ability {found.focal_mean:+.2f}, SD {found.focal_sd:.2f}, where the reference group has 0 and 1",
        )
        chosen = "given" if result.given_anchors is not None else "chosen by the screening"
        yield "anchors", f"{number_of(len(found.anchors), 'item')} {chosen}: {first_few(comparison.anchor_ids)}"
        flags = ", ".join(f"{int((found.flag == flag).sum()):,} {flag}" for flag in "ABC")
        yield "items", f"{number_of(len(found.item), 'item')} of {comparison.group} studied: {flags}"


def _warnings(result: "FileDif") -> Iterator[str]:
    for comparison in result.comparisons:
        if comparison.dif is None:
            continue
        for warning in comparison.dif.warnings:
            yield f"{comparison.group}: {warning}"


def _print_flagged(table: "pd.DataFrame", reference: str) -> None:
    flagged = table[table["flag"] != "A"].sort_values(["flag", "p"], ascending=[False, True])
    if flagged.empty:
        console.print("no item is flagged B or C")
        return
    shown = Table("item", "group", "flag", "harder for", "MH delta", "LR X2", "p", "area", box=box.SIMPLE)
    for row in flagged.head(ITEMS_SHOWN).to_dict("records"):
        shown.add_row(
            plain(str(row["item_id"])),
            plain(str(row["group"])),
            row["flag"],
            plain(_harder_for(row, reference)),
            f"{row['mh_delta']:.2f} {row['mh_class']}",
            f"{row['lr_x2']:.1f}",
            "<.001" if row["p"] < 0.001 else f"{row['p']:.3f}",
            f"{row['unsigned_area']:.2f}",
        )
    console.print(shown)
    if len(flagged) > ITEMS_SHOWN:
        console.print(f"{len(flagged) - ITEMS_SHOWN} more, see dif.csv")


def _harder_for(row: dict, reference: str) -> str:
    """Name the group for which the item is harder; curves that cross near the middle make it so for each at one end."""
    if abs(row["signed_area"]) < row["unsigned_area"] / 2:
        return "each, at one end"
    return str(row["group"]) if row["signed_area"] < 0 else reference
