"""Compile half of what a first calibration needs in a second process, while the calibration compiles the other half.

Compiling takes Python's lock, so that threads would not help.
"""

import sys
from functools import lru_cache

import numpy as np

from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.estep import Answers
from seedtest_assets.irt.item_scores import right_or_wrong
from seedtest_assets.irt.kernel_cache import KernelCache, SecondCompiler
from seedtest_assets.irt.lost_information import posterior_covariance
from seedtest_assets.irt.models import MODELS, Model
from seedtest_assets.irt.mstep import maximise
from seedtest_assets.irt.parallel import threads
from seedtest_assets.irt.problem import Problem, starting_values
from seedtest_assets.irt.standard_errors import Optimum

# What `compile_half` compiles, with what the types of the arguments have in them: the E-step in double precision, at the end of an
# estimation, the M-step, and the standard errors.
KERNELS = {
    "_expect": "_LogTable(array(float64, 2d, C), array(float64, 1d, C), int64)",
    "_maximise_2pl": "_Counts(array(float64, 2d, C)",
    "_maximise_rasch": "",
    "_maximise_3pl": "",
    "posterior_covariance": "",
}


@lru_cache(maxsize=1)
def start_second_compiler(model: Model) -> None:
    """Start `compile_half` in another process where a second core is there and the standard errors are not compiled yet.

    A model that is none of MODELS starts nothing.
    """
    cache = getattr(posterior_covariance, "_cache", None)  # none where numba is told to compile nothing
    can_start = model in MODELS and threads() > 1 and sys.executable and not hasattr(sys, "frozen")
    if can_start and isinstance(cache, KernelCache) and cache.empty:
        program = f"from {__name__} import compile_half; compile_half({model!r})"
        own_mstep = f"_maximise_{model.lower()}"
        kernels = {name: types for name, types in KERNELS.items() if name == own_mstep or "_maximise_" not in name}
        KernelCache.second = SecondCompiler(program, kernels)


def compile_half(model: Model) -> None:
    """Compile KERNELS by an E-step, an M-step and the information of two items."""
    optimum = two_items(model)
    problem = optimum.problem
    maximise(problem, optimum.state, optimum.expected, problem.counts())
    _ = optimum.factor


def two_items(model: Model) -> Optimum:
    """Pose the smallest problem that needs all kernels of an estimation: two items, to each of which two persons gave an answer."""
    scores, count = right_or_wrong(2), np.ones(4, np.int64)
    start, code = np.array([0, 2, 4]), np.arange(4, dtype=np.int32)
    answers = Answers(start, code, count, scores, np.zeros(2, np.int32), 1, np.empty(0, np.int64))
    problem = Problem(AnswerShards.here(answers), model, np.ones(2, bool))
    return Optimum(problem, starting_values(count, scores))
