"""The options that say what the marks of a file mean."""

from pathlib import Path
from typing import Annotated

import typer

KeyOption = Annotated[
    Path | None,
    typer.Option(
        help="File of item_id and key: the marks are responses, such as letters, and these are right. A;B: either."
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
    float | None, typer.Option(help="Number other than 1 that stands for correct, such as 9. Found by itself if usual.")
]
