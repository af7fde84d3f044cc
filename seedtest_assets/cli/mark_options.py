"""The options that say what the marks of a file mean."""

from pathlib import Path
from typing import Annotated

import typer

KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="File of item_id and key, such as B or A;B: the marks are responses, and these are the right ones."
    ),
]
OmittedOption = Annotated[
    str | None, typer.Option(help="Code of an omitted answer and what it counts as, such as 9=wrong or 9=ignored.")
]
NotReachedOption = Annotated[
    str | None,
    typer.Option(help="Code of an answer that was not reached, such as 8=ignored, 8=wrong, or 8=ignored-then-wrong."),
]
FullMarkOption = Annotated[
    float | None,
    typer.Option(help="Number that stands for correct, where it is neither 1 nor found by itself, such as 9."),
]
