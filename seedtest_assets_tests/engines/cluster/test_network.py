"""A scheduler and two workers, each of these in a network of its own where root may make some; one is cut off in the middle of a calibration."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dask
import distributed
import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.engines.cluster.connection import Connection, connected
from seedtest_assets_tests.engines.cluster.test_shards import calibrate_on
from seedtest_assets_tests.irt.simulate import simulate
from seedtest_assets_tests.irt.test_shards import in_shards

BRIDGE, SUBNET = f"sd{os.getpid()}", f"10.77.{os.getpid() % 250}"
TIMEOUTS = {"TCP": "11s", "CONNECT": "3s"}
"""Of Dask: after how long a worker that no longer answers is given up, as short as Dask allows."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def network(host: int) -> Iterator[list[str]]:
    """A network namespace at an address of the bridge; gives what a command there begins with."""
    name, address = f"{BRIDGE}n{host}", f"{SUBNET}.{host}"
    ip("netns", "add", name)
    try:
        ip("link", "add", f"{BRIDGE}v{host}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"{BRIDGE}v{host}", "master", BRIDGE, "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", name]
    finally:
        ip("netns", "del", name)


@contextmanager
def bridge() -> Iterator[None]:
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        yield
    finally:
        ip("link", "del", BRIDGE)


@contextmanager
def dask_worker(inside: list[str], *arguments: str) -> Iterator[subprocess.Popen]:
    environment = os.environ | {f"DASK_DISTRIBUTED__COMM__TIMEOUTS__{name}": value for name, value in TIMEOUTS.items()}
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    process = subprocess.Popen(
        [*inside, *command, *arguments],
        env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def may_make_networks() -> bool:
    if not shutil.which("ip") or os.geteuid():
        return False
    try:
        with bridge(), network(2):
            return True
    except subprocess.CalledProcessError:
        return False


@pytest.fixture
def apart(capsys) -> Iterator[tuple[Connection, callable]]:
    """A connection to a scheduler with two workers, and what cuts one of them off."""
    with ExitStack() as stack:
        stack.enter_context(
            dask.config.set({f"distributed.comm.timeouts.{name.lower()}": value for name, value in TIMEOUTS.items()})
        )
        if may_make_networks():
            stack.enter_context(bridge())
            inside = [stack.enter_context(network(host)) for host in (2, 3)]
            here, *hosts = (f"{SUBNET}.{host}" for host in (1, 2, 3))
        else:
            with capsys.disabled():
                print("no right to make network namespaces: the cluster is on the loopback interface")
            inside, here, hosts = [[], []], "127.0.0.1", ["127.0.0.1"] * 2
        cluster = stack.enter_context(
            distributed.LocalCluster(
                n_workers=0, processes=False, host=here, protocol="tcp", dashboard_address=":0", silence_logs=50
            )
        )
        address = cluster.scheduler_address
        workers = [
            stack.enter_context(dask_worker(within, address, "--host", host))
            for within, host in zip(inside, hosts, strict=True)
        ]

        def cut_off() -> None:
            if inside[1]:
                ip("link", "set", f"{BRIDGE}v3", "down")
            else:
                workers[1].kill()

        with distributed.Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield stack.enter_context(connected(address)), cut_off


@pytest.mark.slow
def test_a_worker_that_is_cut_off_is_replaced_by_the_other(apart):
    connection, cut_off = apart
    shards, _ = in_shards(simulate(3000, 20, 3, seen=0.7).responses, 12)
    here = irt.calibrate(shards)

    def cut_off_at_the_second_iteration(iteration: int, *_):
        if iteration == 2:
            cut_off()

    far = calibrate_on(connection, shards, progress=cut_off_at_the_second_iteration)
    assert connection.facts()["workers"] == 2
    assert len(connection.client.nthreads()) == 1
    assert far.loglik == pytest.approx(here.loglik, rel=1e-12)
    np.testing.assert_allclose([far.items.a, far.items.b], [here.items.a, here.items.b], rtol=1e-12, atol=1e-12)
