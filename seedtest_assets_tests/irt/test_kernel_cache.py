"""Compiled kernels are stored so that several processes, full disks and changed files do no harm."""

import logging
from pathlib import Path

import numba
import pytest

from seedtest_assets.irt import kernel_cache
from seedtest_assets.irt.parallel import kernel

IRT = Path(kernel_cache.__file__).parent


@pytest.fixture
def new_kernel(tmp_path, monkeypatch):
    """Give functions that make the same kernel anew, as each process does, all with one empty cache."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def make():
        def double(x):
            return x + x

        return kernel(double)

    return make


def test_the_next_process_reads_what_one_has_compiled(new_kernel):
    new_kernel()(1)
    again = new_kernel()
    assert again(2) == 4
    assert sum(again.stats.cache_hits.values()) == 1


def test_code_is_read_without_loading_how_everything_is_compiled(new_kernel, monkeypatch):
    new_kernel()(1)
    again = new_kernel()
    monkeypatch.setattr(type(again.targetctx), "refresh", lambda self: pytest.fail("numba loads its implementations"))
    assert again(2) == 4


def test_two_processes_that_compile_for_different_arguments_at_once_do_not_mix_up_their_code(new_kernel, monkeypatch):
    first, second, third = (new_kernel()._cache._cache_file for _ in range(3))
    write = first._save_data

    def after_the_second(name, data):
        second.save("arguments of the second", "its code")
        write(name, data)

    monkeypatch.setattr(first, "_save_data", after_the_second)
    monkeypatch.setattr(second, "_load_index", dict)  # as it was before the first wrote
    first.save("arguments of the first", "code")
    assert third.load("arguments of the first") in ("code", None)
    assert third.load("arguments of the second") in ("its code", None)


def test_a_kernel_that_cannot_be_stored_is_used_all_the_same(new_kernel, monkeypatch, caplog):
    def no_object(self, *_):
        raise RuntimeError("no compiled object yet")

    monkeypatch.setattr(kernel_cache._Files, "save", no_object)
    with caplog.at_level(logging.WARNING):
        assert new_kernel()(3) == 6
    assert "could not be stored" in caplog.text
    assert "no compiled object yet" in caplog.text


def test_code_is_not_used_once_an_imported_file_has_changed(new_kernel, monkeypatch):
    new_kernel()(1)
    monkeypatch.setattr(kernel_cache, "sources_stamp", lambda path: "of the next release")
    again = new_kernel()
    assert again(2) == 4
    assert not again.stats.cache_hits


def test_the_files_of_a_kernel_are_those_that_it_imports_from_and_no_others():
    of_topics = {path.name for path in kernel_cache._with_imported(IRT / "fit_statistics.py")}
    assert {"fit_statistics.py", "curves.py", "item_scores.py", "kernel_arguments.py", "models.py"} <= of_topics
    assert not of_topics & {"calibration.py", "linking.py", "topic_kernel.py"}
    assert kernel_cache.sources_stamp(IRT / "curves.py") != kernel_cache.sources_stamp(IRT / "estep.py")
