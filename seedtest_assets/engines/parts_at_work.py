"""Work on the parts of a step's answers, by this process or by the workers of SEEDTEST_DASK."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from seedtest_assets.engines import cluster_address
from seedtest_assets.settings import Settings
from seedtest_assets.table_shards import TableShards
from seedtest_assets.tables_on_demand import PartsOnDemand


@dataclass(kw_only=True)
class PartsAtWork:
    """Parts and who works on them. cluster: what the workers did, when the work has ended; empty where this process did it."""

    parts: TableShards
    cluster: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def at_work(settings: Settings, tables: Sequence[pa.Table]) -> Iterator[PartsAtWork]:
    """Let workers read and work on parts where SEEDTEST_DASK is set and there are several, else this process.

    Raises what ClusterEngine.calibrate raises of the cluster.
    """
    address = cluster_address(settings)
    if address is None or not isinstance(tables, PartsOnDemand) or len(tables) == 1:
        yield PartsAtWork(parts=TableShards.here(tables))
        return
    from seedtest_assets.engines.cluster.connection import connected
    from seedtest_assets.engines.cluster.shards import ClusterShards

    with connected(address) as connection:
        work = PartsAtWork(parts=TableShards(ClusterShards.numbered(connection, len(tables)), tables))
        yield work
        work.cluster = connection.facts()
