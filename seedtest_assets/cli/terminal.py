"""What commands print with: results on stdout, errors and progress on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console, errors = Console(), Console(stderr=True)


class ShowStep(Protocol):
    """Takes a line that says what a command is doing now; a detail says how far it is with that."""

    def __call__(self, line: str, *, detail: bool = False) -> None: ...


def plain(text: str) -> str:
    """Write text that users or other programs made so that a terminal shows it, and does not obey it.

    Brackets are no markup, and what is not printable (control characters, escape sequences, marks that turn the direction of
    writing) stands as Python writes it, such as \\x1b.
    """
    return escape("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text))


@contextmanager
def progress_line(steps: int | None = None) -> Iterator[ShowStep]:
    """Show what a command is doing; gives the function that takes the steps and their details.

    A terminal has one line with a bar, and with the time left where the number of steps is known; results that are printed
    meanwhile stand above it. A file or a pipe gets a line for each step on stderr, and no details.
    """
    screen = console if console.is_terminal else errors  # that of the results, so that rich keeps both apart
    if not screen.is_terminal:
        yield print_step
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(pulse_style="grey50"), TimeElapsedColumn())
    left = (TextColumn("left"), TimeRemainingColumn()) if steps else ()
    with Progress(*columns, *left, console=screen, transient=True) as progress:
        task = progress.add_task("", total=steps)

        def show(line: str, *, detail: bool = False) -> None:
            progress.update(task, description=plain(line), advance=0 if detail or not steps else 1)

        yield show


def print_step(line: str, *, detail: bool = False) -> None:
    """Print a step, and no detail, as a line on stderr."""
    if not detail:
        errors.print(plain(line), soft_wrap=True, highlight=False)
