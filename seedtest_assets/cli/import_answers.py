"""`seedtest import`: a log of answers into the database."""

from pathlib import Path
from typing import Annotated

import typer

from seedtest_assets.cli.mark_options import FullMarkOption, KeyOption, NotReachedOption, OmittedOption
from seedtest_assets.cli.terminal import console, plain, progress_line


def import_(
    file: Path,
    skip_bad: Annotated[bool, typer.Option(help="Leave bad rows out instead of stopping.")] = False,
    key: KeyOption = None,
    omitted: OmittedOption = None,
    not_reached: NotReachedOption = None,
    full_mark: FullMarkOption = None,
) -> None:
    """Load a Parquet, CSV or Excel log of answers into the database's attempt table."""
    from seedtest_assets.errors import number_of
    from seedtest_assets.project import enter_project
    from seedtest_assets.settings import load_settings
    from seedtest_assets.storage.importing import import_answers
    from seedtest_assets.storage.mark_rules import mark_rules

    rules = mark_rules(key=key, omitted=omitted, not_reached=not_reached, full_mark=full_mark)
    file = file.resolve()
    enter_project()
    with progress_line() as show:
        show(f"reading and loading {file.name}", detail=True)
        result = import_answers(file, load_settings(), skip_bad=skip_bad, rules=rules)
    known = f"{result.n_known:,} already there, " if result.n_known else ""
    console.print(
        f"{result.n_rows:,} rows, {result.first_day} to {result.last_day}: {result.n_new:,} new, {known}{result.n_bad:,} bad"
    )
    if result.n_changed:
        console.print(
            f"not changed: {number_of(result.n_changed, 'row')} already there with another mark or score. Corrected ones go into "
            "`attempt` by UPDATE; then materialise `observations` of their days"
        )
    for note in result.notes:
        console.print(plain(note))
    if result.bad:
        console.print(f"left out: {plain(result.bad)}")
