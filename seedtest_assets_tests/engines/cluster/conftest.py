"""A Dask cluster of three worker processes for all tests."""

import pytest

pytest.importorskip("distributed")

import distributed

from seedtest_assets.engines.cluster.connection import Connection


@pytest.fixture(scope="session")
def dask_cluster():
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def connection(dask_cluster):
    with distributed.Client(dask_cluster) as client:
        yield Connection(client, dask_cluster.scheduler_address)
