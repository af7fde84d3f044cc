"""What a worker process does: the bytes of a request in, the bytes of its reply out."""

import gzip
import os
import signal
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from seedtest_assets import irt
from seedtest_assets.errors import InputError
from seedtest_assets.service import calibrating, scoring, updating
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.messages import Outcome, Task
from seedtest_assets.service.parsing import unpacked
from seedtest_assets.service.wire import ErrorReply

# Compressing less than this saves no time.
MIN_GZIP_BYTES = 16 * 1024
# Below the server and scoring, so that both answer at once while calibrations use all cores.
NICENESS_OF_CALIBRATIONS = 15


def prepare() -> None:
    """Load and compile everything once, so that no caller waits for it."""
    initialize()
    irt.warm_up()
    rows = np.random.default_rng(0).integers(0, 2, (60, 4)).tolist()
    reply, _ = calibrating.calibrate(msgspec.json.encode({"responses": rows}), Limits())
    items = msgspec.to_builtins(reply)["item_params"]
    scoring.score(msgspec.json.encode({"item_params": items, "responses": rows}), Limits())


def calibrate(task: Task) -> Outcome:
    """Answer POST /irt/calibrate."""
    return _outcome(calibrating.calibrate, task)


def score(task: Task) -> Outcome:
    """Answer POST /irt/score."""
    return _outcome(scoring.score, task)


def update(task: Task) -> Outcome:
    """Answer POST /irt/update."""
    return _outcome(updating.update, task)


def _outcome(work: Callable[[bytes, Limits], tuple[Any, dict[str, Any]]], task: Task) -> Outcome:
    try:
        reply, facts = work(unpacked(_taken(Path(task.path)), task.encoding, task.limits), task.limits)
    except Refusal as refusal:
        return _error(refusal.status, refusal.message)
    except (InputError, irt.DataError) as error:
        return _error(400, str(error))
    except MemoryError:
        return _error(413, "the request needs more memory than there is. Send fewer answers")
    except Exception:
        return _error(500, "", traceback.format_exc())
    body = msgspec.json.encode(reply, enc_hook=_plain)
    if task.gzip_answer and len(body) > MIN_GZIP_BYTES:
        return Outcome(200, gzip.compress(body, 1), True, facts)
    return Outcome(200, body, False, facts)


def _taken(path: Path) -> bytes:
    """Read a body and empty its file: freeing its memory would keep the server from other callers for milliseconds."""
    body = path.read_bytes()
    os.truncate(path, 0)
    return body


def _error(status: int, message: str, trace: str | None = None) -> Outcome:
    return Outcome(status, msgspec.json.encode(ErrorReply(message)), facts={"error": message}, trace=trace)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


@cache
def initialize() -> None:
    """Initialise the worker process, once: ignore signals.

    Ctrl-C and the TERM of a service manager reach the whole process group; the server ends its workers itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def at_low_priority(work: Callable[[Task], Outcome], task: Task) -> Outcome:
    """Run a task in a thread of low priority. On Linux that is the thread's own, so that the process can score next."""
    if sys.platform != "linux":
        return work(task)
    with ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS_OF_CALIBRATIONS,)) as thread:
        return thread.submit(work, task).result()
