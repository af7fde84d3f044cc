"""`seedtest serve`."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="all with a token, 127.0.0.1 without"),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to listen on. 0 takes a free one.", min=0, max=65535)] = 8000,
    workers: Annotated[
        int, typer.Option(help="Calibrations at a time, a process each. One more process scores.", min=1)
    ] = 1,
    queue: Annotated[int, typer.Option(help="Calibrations that may wait. Beyond it callers get 503.", min=0)] = 4,
    max_megabytes: Annotated[int, typer.Option(help="Largest request, unpacked, in MiB.", min=1)] = 128,
    grace_seconds: Annotated[
        float, typer.Option(help="How long a running calibration may go on after TERM.", min=0)
    ] = 120,
) -> None:
    """Run the IRT service (the HTTP contract of the R service). R_IRT_INTERNAL_TOKEN is the token callers must send."""
    from seedtest_assets.service.app import ServiceOptions
    from seedtest_assets.service.limits import MEBIBYTE, Limits
    from seedtest_assets.service.server import serve as run
    from seedtest_assets.settings import load_settings, revealed

    options = ServiceOptions(
        revealed(load_settings().r_irt_internal_token), workers, queue, Limits(bytes=max_megabytes * MEBIBYTE)
    )
    run(options, host, port, grace_seconds)
