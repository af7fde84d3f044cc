"""A second process compiles half of what a first calibration needs."""

import sys

import numba
import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt import estep, kernel_cache, mstep, second_compiler, standard_errors
from seedtest_assets.irt.kernel_cache import KernelCache, SecondCompiler
from seedtest_assets.irt.models import MODELS
from seedtest_assets.irt.parallel import kernel

USED_IN = {
    "_expect": estep,
    "_maximise_2pl": mstep,
    "_maximise_rasch": mstep,
    "_maximise_3pl": mstep,
    "posterior_covariance": standard_errors,
}


@pytest.fixture
def called(monkeypatch):
    """The kernels of KERNELS that are called, with the types of the arguments as the cache sees them."""
    calls = set()

    def recording(name, compiled):
        def call(*arguments):
            types = str(tuple(map(numba.typeof, arguments)))
            if second_compiler.KERNELS[name] in types:
                calls.add((name, types))
            return compiled(*arguments)

        return call

    for name, module in USED_IN.items():
        monkeypatch.setattr(module, name, recording(name, getattr(module, name)))
    return calls


@pytest.mark.parametrize("model", MODELS)
def test_it_compiles_what_a_calibration_waits_for_and_for_the_same_types(called, model):
    second_compiler.compile_half(model)
    ahead = called.copy()
    called.clear()
    bank = irt.ItemParameters(np.arange(5), a=np.ones(5), b=np.linspace(-1, 1, 5), c=np.zeros(5))
    irt.calibrate(irt.Responses.from_matrix(irt.simulate(np.random.default_rng(0).normal(size=300), bank)), model)
    assert called == ahead
    assert len(ahead) == 3


@pytest.fixture
def first_time(tmp_path, monkeypatch):
    """A machine without compiled kernels: gives the function `double` as a kernel of a process."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(KernelCache, "second", None)

    def double(x):
        return x + x

    return lambda: kernel(double)


def test_the_code_that_another_process_compiles_is_waited_for(first_time, monkeypatch):
    other, here = first_time(), first_time()
    monkeypatch.setattr(KernelCache, "second", SecondCompiler("import sys; sys.stdin.read()", {}))
    waited = []

    def works_on(name, signature):
        waited.append(name)
        if len(waited) == 3:
            monkeypatch.setattr(KernelCache, "second", None)
            other(1)
        return True

    monkeypatch.setattr(KernelCache.second, "works_on", works_on)
    monkeypatch.setattr(kernel_cache, "_WAIT_SECONDS", 0)
    assert here(2) == 4
    assert sum(here.stats.cache_hits.values()) == 1
    assert len(waited) == 3


@pytest.mark.parametrize("python", [sys.executable, "/no/such/python"])
def test_a_process_that_fails_or_cannot_start_costs_nothing_but_time(first_time, monkeypatch, python):
    monkeypatch.setattr(sys, "executable", python)
    here = first_time()
    second = SecondCompiler("raise SystemExit(1)", {here._cache._kernel: "int64"})
    monkeypatch.setattr(KernelCache, "second", second)
    assert here(2) == 4
    assert not second.works_on(here._cache._kernel, "(int64,)")


def test_a_process_that_hangs_is_not_waited_for_without_end(first_time, monkeypatch):
    monkeypatch.setattr(kernel_cache, "_PATIENCE", 0.0)
    here = first_time()
    monkeypatch.setattr(KernelCache, "second", SecondCompiler("sys.stdin.read()", {here._cache._kernel: "int64"}))
    assert here(2) == 4


def test_it_imports_nothing_from_the_folder_where_it_runs(tmp_path, monkeypatch):
    (tmp_path / "secrets.py").write_text("raise SystemExit(3)", encoding="utf-8")  # a module that Python has, too
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # as where Python was started without a file
    assert SecondCompiler("import secrets", {})._process.wait(60) == 0


def test_it_starts_once_on_a_machine_with_two_cores_that_has_nothing_compiled(monkeypatch):
    started = []
    monkeypatch.setattr(second_compiler, "SecondCompiler", lambda program, kernels: started.append(program))
    monkeypatch.setattr(KernelCache, "second", None)
    for cores, empty in ((1, True), (2, False), (2, True)):
        second_compiler.start_second_compiler.cache_clear()
        monkeypatch.setattr(second_compiler, "threads", lambda cores=cores: cores)
        monkeypatch.setattr(KernelCache, "empty", empty)
        second_compiler.start_second_compiler("2PL")
        second_compiler.start_second_compiler("2PL")
        assert len(started) == (cores == 2 and empty)
    assert "compile_half('2PL')" in started[0]


def test_it_does_not_start_for_an_unknown_model(monkeypatch):
    monkeypatch.setattr(second_compiler, "threads", lambda: 2)
    monkeypatch.setattr(KernelCache, "second", None)
    monkeypatch.setattr(KernelCache, "empty", True)
    second_compiler.start_second_compiler.cache_clear()
    second_compiler.start_second_compiler("4PL")
    assert KernelCache.second is None


def test_it_does_not_start_where_numba_compiles_nothing(monkeypatch):
    monkeypatch.setattr(second_compiler, "posterior_covariance", lambda: None)
    monkeypatch.setattr(second_compiler, "threads", lambda: 2)
    monkeypatch.setattr(KernelCache, "second", None)
    second_compiler.start_second_compiler.cache_clear()
    second_compiler.start_second_compiler("2PL")
    assert KernelCache.second is None
