"""Calibrate on the workers of a Dask cluster, each of which reads its part of the answers itself."""

import time
from dataclasses import replace

import pyarrow as pa

from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.engines.cluster.connection import Connection, connected
from seedtest_assets.engines.cluster.shards import ClusterShards
from seedtest_assets.engines.coded_parts import HeldPart, code_in_shards, hold_part
from seedtest_assets.engines.in_process import calibrate_coded
from seedtest_assets.irt.shards import ShardsHere


class ClusterEngine:
    """The engine of `irt/` on the workers of a cluster; its results are those of one process.

    address: of the scheduler, or `local:N`.
    """

    name = "dask"

    def __init__(self, address: str) -> None:
        self.address = address

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Fit, estimate and link.

        Raises InputError for data that cannot be calibrated and for parts that do not fit a worker, SettingsError where a
        worker has another version, TransientError where the scheduler or all workers are out of reach.
        """
        started = time.perf_counter()
        with connected(self.address) as connection:
            coded = code_in_shards(request, _held_parts(connection, request))
            result = calibrate_coded(request, coded, started, progress=progress)
            facts = connection.facts()
        return replace(result, metrics=result.metrics | {"engine": self.name, "cluster": facts})


def _held_parts(connection: Connection, request: CalibrationRequest) -> ClusterShards[HeldPart]:
    """Let workers read the parts; those that are in memory here are sent, each to its worker."""
    parts = request.parts
    numbers = ClusterShards.numbered(connection, len(parts))
    return numbers.derive(_hold, ShardsHere(parts)) if isinstance(parts, list) else numbers.derive(hold_part, parts)


def _hold(_: int, part: pa.Table) -> HeldPart:
    return hold_part(0, [part])
