"""Calibration engines: this process, or an IRT service over HTTP."""

from seedtest_assets.calibration import CalibrationEngine
from seedtest_assets.settings import Settings


def engine_for(settings: Settings) -> CalibrationEngine:
    """Choose the IRT service at R_IRT_BASE_URL where that is set, else this process."""
    # Imported when an engine is wanted: they load numba, which `seedtest status` has no use for.
    if settings.r_irt_base_url:
        from seedtest_assets.engines.remote.engine import IrtServiceEngine

        return IrtServiceEngine(settings)
    from seedtest_assets.engines.in_process import InProcessEngine

    return InProcessEngine()
