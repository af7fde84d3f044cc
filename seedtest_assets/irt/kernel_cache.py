"""Where compiled kernels are kept between processes: numba's cache on disk, without three of its faults. Another process may compile
some of them meanwhile.

numba names the file of a compiled kernel by a number that it takes from the index, and writes the index first. Two
processes that compile the same kernel for different arguments at the same time may so end with one's code under the
other's arguments. It looks for changes only in the file of the kernel, although kernels of other files are compiled into
it. And where a kernel was compiled but cannot be stored, it raises, although the calculation could go on.
"""

import hashlib
import logging
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.runtime import rtsys

logger = logging.getLogger(__name__)

# Between two looks for code that another process compiles.
_WAIT_SECONDS = 0.02
# How long another process is waited for, which takes 10 s on a free core: one that hangs must not stop a night.
_PATIENCE = 120.0


class SecondCompiler:
    """Another process that compiles kernels, for whose code this one waits in place of compiling them, too.

    program: its Python code; kernels: with what the types of their arguments have in them. A process that cannot be started, or ends without
    the code, costs no more than the time.
    """

    def __init__(self, program: str, kernels: Mapping[str, str]) -> None:
        self._kernels = kernels
        self._patience_ends = time.monotonic() + _PATIENCE
        # With the modules of this process, and none of the folder where it runs.
        # Compiling leaves no garbage worth looking for.
        program = f"import gc, sys; gc.disable(); sys.path[:] = {list(filter(None, sys.path))!r}; {program}"
        nowhere = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program], stdin=nowhere, stdout=nowhere, stderr=nowhere
            )
        except OSError as error:
            logger.info("no second process compiles: %s", error)
            self._kernels = {}

    def works_on(self, kernel: str, signature: Any) -> bool:
        """Tell whether the process still runs and compiles a kernel for these types."""
        types = self._kernels.get(kernel)
        known = types is not None and types in str(signature)
        return known and self._process.poll() is None and time.monotonic() < self._patience_ends


class KernelCache(FunctionCache):
    """The compiled code of one kernel, for all arguments that it was called with. second: the other process that compiles, if any."""

    second: ClassVar[SecondCompiler | None] = None

    def __init__(self, kernel: FunctionType) -> None:
        super().__init__(kernel)
        self._kernel = kernel.__qualname__
        self._cache_file = _Files(
            self._cache_path, self._impl.filename_base, sources_stamp(Path(kernel.__code__.co_filename))
        )

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Read compiled code, None if there is none; waits for what another process compiles."""
        while True:
            working = KernelCache.second is not None and KernelCache.second.works_on(self._kernel, signature)
            compiled = self._load(signature, context)
            if compiled is not None or not working:
                return compiled
            time.sleep(_WAIT_SECONDS)

    def _load(self, signature: Any, context: Any) -> Any:
        """Read compiled code without loading first how numba compiles everything that it can, a fifth of the time of a small calibration."""
        rtsys.initialize(context)  # by which compiled code allocates arrays
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, context)

    @property
    def empty(self) -> bool:
        """Whether no code of the kernel is stored."""
        return not self._cache_file._load_index()

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Store compiled code; a failure is logged, and the next process compiles the kernel again."""
        try:
            super().save_overload(signature, compiled)
        except (OSError, RuntimeError) as error:  # no space, no rights, or LLVM gave no object code
            logger.warning(
                "the compiled %s could not be stored in %s, so that the next process compiles it again: %s",
                self._name,
                self._cache_path,
                error,
            )


class _Files(IndexDataCacheFile):
    """Files of compiled code that are named by the arguments they are for, and written before the index names them."""

    def save(self, key: Any, data: Any) -> None:
        """Write compiled code. Of two processes that write at once, one may forget the other's entry of the index."""
        name = self._data_name_pattern.format(number=int(hashlib.sha256(repr(key).encode()).hexdigest()[:12], 16))
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})


@cache
def sources_stamp(path: Path) -> str:
    """Name the text of a file of kernels and of all files of irt/ that it imports from, and they from others."""
    digest = hashlib.sha256()
    for source in sorted(_with_imported(path)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _with_imported(path: Path) -> set[Path]:
    found, to_read = {path}, [path]
    while to_read:
        new = _imported(to_read.pop()) - found
        found |= new
        to_read += new
    return found


@cache
def _imported(path: Path) -> frozenset[Path]:
    names = re.findall(r"^from seedtest_assets\.irt\.(\w+) import", path.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(Path(__file__).with_name(f"{name}.py") for name in names)
