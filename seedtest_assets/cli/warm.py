"""`seedtest warm`: compile the engine ahead of the first night."""

from typing import Annotated, cast

import typer

from seedtest_assets.cli.terminal import console, progress_line
from seedtest_assets.errors import InputError
from seedtest_assets.irt.models import MODELS, Model, model_facts, model_named


def warm(
    model: Annotated[list[str] | None, typer.Option(help="Only for this model; may be repeated. Default: all.")] = None,
) -> None:
    """Compile the engine now, half a minute once a machine, so that the first night, service or file need not wait."""
    from seedtest_assets import irt

    names = [model_named(name) for name in model or MODELS]
    try:
        for name in names:
            model_facts(name)
    except irt.DataError as error:
        raise InputError(str(error)) from None
    with progress_line() as show:
        show(f"compiling the engine for {', '.join(names)}", detail=True)
        irt.warm_up(cast(list[Model], names))
    console.print(f"compiled for {', '.join(names)}")
