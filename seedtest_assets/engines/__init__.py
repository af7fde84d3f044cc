"""Calibration engines: this process, the workers of a Dask cluster, or an IRT service over HTTP."""

from importlib.util import find_spec

from seedtest_assets.calibration import CalibrationEngine
from seedtest_assets.errors import SettingsError
from seedtest_assets.settings import Settings


def cluster_address(settings: Settings) -> str | None:
    """Give the address of the cluster of SEEDTEST_DASK, where one is set.

    Raises SettingsError where an IRT service is to calibrate as well, and where the cluster's packages are not installed.
    """
    if settings.r_irt_base_url and settings.seedtest_dask:
        raise SettingsError(
            f"SEEDTEST_DASK={settings.seedtest_dask} and R_IRT_BASE_URL={settings.r_irt_base_url} are both set, and only one of "
            "them can calibrate. Unset one of them"
        )
    if settings.seedtest_dask and not find_spec("distributed"):
        raise SettingsError(
            f"SEEDTEST_DASK={settings.seedtest_dask} is set, and Dask is not installed. "
            "Run `pip install 'seedtest-assets[cluster]'`"
        )
    return settings.seedtest_dask


def engine_for(settings: Settings) -> CalibrationEngine:
    """Choose the IRT service at R_IRT_BASE_URL or the cluster of SEEDTEST_DASK where that is set, else this process.

    Raises SettingsError for both, for an address that no engine can use, and where the cluster's packages are not installed.
    """
    if settings.r_irt_base_url and not settings.seedtest_dask:
        # Imported when an engine is wanted, as below: they load numba, which `seedtest status` has no use for.
        from seedtest_assets.engines.remote.engine import IrtServiceEngine

        return IrtServiceEngine(settings)
    if address := cluster_address(settings):
        from seedtest_assets.engines.cluster.engine import ClusterEngine

        return ClusterEngine(address)
    from seedtest_assets.engines.in_process import InProcessEngine

    return InProcessEngine()
