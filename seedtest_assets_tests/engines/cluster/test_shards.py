"""Shards on the workers of a cluster give what shards in this process give."""

import gc
import os
import signal
import time

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.engines.cluster import connection as connection_module
from seedtest_assets.engines.cluster.connection import Connection
from seedtest_assets.engines.cluster.shards import LARGE_CALL, ClusterShards, group_size
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.shards import ShardsHere, pairwise_sum
from seedtest_assets_tests.deployment import wait_for
from seedtest_assets_tests.engines.cluster.tasks import length_after_a_while, name_of, part, threads_of, total_of
from seedtest_assets_tests.irt.simulate import simulate
from seedtest_assets_tests.irt.test_shards import in_shards


def on_workers(connection: Connection, held) -> ClusterShards:
    return ClusterShards.numbered(connection, len(held)).derive(part, ShardsHere(held))


def calibrate_on(connection: Connection, shards: ResponseShards, **options) -> irt.Calibration:
    return irt.calibrate(ResponseShards.of(on_workers(connection, shards.shards.held)), options=irt.Options(**options))


@pytest.mark.parametrize("n", [1, 5, 16, 37])
def test_sums_are_in_the_same_order_as_here(connection, n):
    expected = pairwise_sum(map(str, range(n)), "({} {})".format)
    assert ClusterShards.numbered(connection, n).total(name_of, add="({} {})".format) == expected


def test_arguments_go_to_each_shard_by_its_part(connection):
    shards = on_workers(connection, [np.arange(k) for k in range(6)])
    assert len(shards) == 6
    lengths = shards.derive(len)
    assert shards.each(total_of, 1, ShardsHere([10 * k for k in range(6)]), lengths) == [1 + 11 * k for k in range(6)]


def test_large_arguments_are_sent_once(connection):
    large = np.ones(LARGE_CALL)
    before = connection.bytes_sent
    assert ClusterShards.numbered(connection, 12).each(total_of, large) == [float(LARGE_CALL)] * 12
    assert large.nbytes < connection.bytes_sent - before < 1.1 * large.nbytes


def test_a_worker_of_one_thread_runs_kernels_on_one(connection):
    assert ClusterShards.numbered(connection, 3).each(threads_of) == [1, 1, 1]


@pytest.fixture
def no_garbage_collection():
    """Objects go when nothing refers to them, and not in cycles that are found some time later."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("check_every", [2.0, 0.01])
def test_memory_is_given_back(connection, monkeypatch, no_garbage_collection, check_every):
    monkeypatch.setattr(connection_module, "CHECK_EVERY", check_every)
    shards = on_workers(connection, [np.ones(1000)] * 3)
    assert shards.each(length_after_a_while) == [1000] * 3
    del shards
    deadline = time.monotonic() + 20
    while any(connection.client.run(lambda dask_worker: list(dask_worker.data)).values()):
        assert time.monotonic() < deadline, "workers still hold data that nobody can ask for"


@pytest.mark.parametrize(
    ("n", "n_threads", "size"), [(16, 2, 8), (16, 3, 2), (16, 16, 1), (1024, 64, 8), (5, 1, 1), (1, 4, 1)]
)
def test_tasks_take_as_many_shards_as_leave_no_thread_idle(n, n_threads, size):
    assert group_size(n, n_threads) == size


@pytest.mark.slow
def test_a_calibration_is_the_same_when_a_worker_is_killed(connection):
    shards, _ = in_shards(simulate(3000, 20, 3, seen=0.7).responses, 12)
    here = irt.calibrate(shards)
    killed = []

    def kill_one(iteration: int, *_):
        if iteration == 2 and not killed:
            killed.append(next(iter(connection.client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    far = calibrate_on(connection, shards, progress=kill_one)
    assert killed
    assert far.loglik == pytest.approx(here.loglik, rel=1e-12)
    np.testing.assert_allclose([far.items.a, far.items.b], [here.items.a, here.items.b], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(far.theta, here.theta, atol=1e-12)


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_results(dask_cluster, connection):
    truth = simulate(2000, 20, 5, seen=0.7)
    shards, persons = in_shards(truth.responses, 16)
    whole = irt.calibrate(truth.responses)
    # First 1, which drops a worker that Dask did not start again after a test killed it.
    for n in (1, 2):
        dask_cluster.scale(n)
        wait_for(f"{n} workers", lambda n=n: len(connection.client.nthreads()) == n)
        far = calibrate_on(connection, shards)
        assert far.loglik == pytest.approx(whole.loglik, rel=1e-9)
        np.testing.assert_allclose([far.items.a, far.items.b], [whole.items.a, whole.items.b], atol=1e-7)
        np.testing.assert_allclose(
            [far.theta, far.theta_se], [whole.theta[persons], whole.theta_se[persons]], atol=1e-7
        )
        np.testing.assert_allclose([far.se_a, far.se_b], [whole.se_a, whole.se_b], rtol=1e-6)
