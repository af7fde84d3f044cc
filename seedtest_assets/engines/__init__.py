"""Calibration engines: this process, or an IRT service over HTTP."""

from seedtest_assets.calibration import CalibrationEngine
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.remote.engine import IrtServiceEngine
from seedtest_assets.settings import Settings


def engine_for(settings: Settings) -> CalibrationEngine:
    """Choose the IRT service at R_IRT_BASE_URL where that is set, else this process."""
    return IrtServiceEngine(settings) if settings.r_irt_base_url else InProcessEngine()
