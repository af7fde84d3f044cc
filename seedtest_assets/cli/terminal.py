"""What commands print with: results on stdout, errors and progress on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console, errors = Console(), Console(stderr=True)

ShowStep = Callable[[str], None]
"""Takes a line that says what a command is doing now."""


def plain(text: str) -> str:
    """Write text that users or other programs made so that a terminal shows it, and does not obey it.

    Brackets are no markup, and what is not printable (control characters, escape sequences, marks that turn the direction of
    writing) stands as Python writes it, such as \\x1b.
    """
    return escape("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text))


@contextmanager
def progress_line() -> Iterator[ShowStep]:
    """Show one line with a moving bar on stderr; gives the function that changes its text."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(pulse_style="grey50"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda line: progress.update(task, description=plain(line))
