"""What goes wrong with a cluster is told in one line."""

import socket
from threading import Event, Timer

import dask
import distributed
import pytest
from distributed.core import Status

from seedtest_assets import irt
from seedtest_assets.engines.cluster import connection as connections
from seedtest_assets.engines.cluster import work as on_worker
from seedtest_assets.engines.cluster.connection import connected
from seedtest_assets.engines.cluster.shards import ClusterShards
from seedtest_assets.errors import InputError, SettingsError, TransientError
from seedtest_assets_tests.deployment import wait_for
from seedtest_assets_tests.engines.cluster.tasks import end_at_the_last_of_three, name_of, refused

released = Event()


@pytest.fixture
def here(monkeypatch):
    """A cluster of one worker in this process, and a connection to it."""
    monkeypatch.setattr(connections, "CHECK_EVERY", 0.05)
    released.clear()
    with (
        dask.config.set(
            {"distributed.comm.timeouts.connect": "0.3 s"}
        ),  # so that a cluster without a scheduler ends soon
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=":0", silence_logs=50
        ) as cluster,
        connected(cluster.scheduler_address, patience=0.3) as connection,
    ):
        yield cluster, connection
        released.set()


def waiting(_):
    released.wait(60)


def paused(dask_worker):
    dask_worker.status = Status.paused


def test_nobody_at_the_address_of_the_scheduler():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(
                TransientError, match=rf"^the Dask scheduler at {address} could not be reached within 0\.3 s: .*"
            ),
            connected(address, patience=0.3),
        ):
            pass


@pytest.mark.slow
def test_a_scheduler_without_workers():
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        pytest.raises(
            TransientError, match=r"^no worker has joined the Dask scheduler at \S+ within 0\.2 s\. Start workers$"
        ),
        connected(cluster.scheduler_address, patience=0.2),
    ):
        pass


def test_another_version_is_named_before_the_fit(connection, monkeypatch):
    monkeypatch.setattr(on_worker, "version", lambda _: "0.0.1")
    with (
        pytest.raises(
            SettingsError, match=r"^tcp://\S+ has another version: seedtest-assets \S+, here 0\.0\.1, .*everywhere$"
        ),
        connected(connection.address),
    ):
        pass


def test_an_error_of_the_data_comes_back_as_it_is(connection):
    with pytest.raises(irt.DataError, match=r"^item 3 has no answers$"):
        ClusterShards.numbered(connection, 4).derive(refused).each(len)


def test_a_worker_that_dies_again_and_again_is_told_with_its_buckets(dask_cluster, connection, monkeypatch):
    monkeypatch.setattr(dask_cluster.scheduler, "allowed_failures", 0)
    shards = ClusterShards.numbered(connection, 3)
    with pytest.raises(InputError, match=r"ended 1 time at its work with bucket 2 of 3, .*SEEDTEST_BUCKETS"):
        shards.each(end_at_the_last_of_three)


def test_all_workers_gone(here):
    cluster, connection = here
    shards = ClusterShards.numbered(connection, 1).derive(waiting)
    Timer(0.1, cluster.scale, [0]).start()
    Timer(0.3, released.set).start()
    with pytest.raises(TransientError, match="has lost all its workers"):
        shards.derive(waiting).each(waiting)


def test_a_worker_that_replaces_the_only_one_does_its_work(here):
    cluster, connection = here
    connection.patience = 60
    shards = ClusterShards.numbered(connection, 3).derive(waiting)
    for n in (0, 1):
        cluster.scale(n)
        wait_for(f"{n} workers", lambda n=n: len(connection.client.nthreads()) == n)
        released.set()
    assert shards.each(name_of) == ["None"] * 3


def test_no_worker_has_memory_for_more_work(here):
    _, connection = here
    connection.client.run(paused)
    with pytest.raises(InputError, match=r"^no worker of \S+ has memory for more work\. .*SEEDTEST_BUCKETS"):
        ClusterShards.numbered(connection, 1).each(waiting)


def test_the_scheduler_ends(here):
    cluster, connection = here
    Timer(0.1, cluster.sync, [cluster.scheduler.close]).start()
    with pytest.raises(TransientError, match=f"{connection.address} did not answer or closed the connection"):
        ClusterShards.numbered(connection, 1).each(waiting)
