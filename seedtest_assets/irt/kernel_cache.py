"""Where compiled kernels are kept between processes: numba's cache on disk, without three of its faults.

numba names the file of a compiled kernel by a number that it takes from the index, and writes the index first. Two
processes that compile the same kernel for different arguments at the same time may so end with one's code under the
other's arguments. It looks for changes only in the file of the kernel, although kernels of other files are compiled into
it. And where a kernel was compiled but cannot be stored, it raises, although the calculation could go on.
"""

import hashlib
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

logger = logging.getLogger(__name__)


class KernelCache(FunctionCache):
    """The compiled code of one kernel, for all arguments that it was called with."""

    def __init__(self, kernel: Callable[..., Any]) -> None:
        super().__init__(kernel)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, sources_stamp())

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


@lru_cache(maxsize=1)
def sources_stamp() -> str:
    """Name the state of all files that kernels are made of: compiled code of another state is not used."""
    states = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in Path(__file__).parent.glob("*.py")]
    return hashlib.sha256(repr(sorted(states)).encode()).hexdigest()
