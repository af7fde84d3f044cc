"""Warming up compiles what a night runs."""

import subprocess
import sys

import pytest

# In a process of its own: kernels that other tests have compiled would count.
NIGHT = """
import sys
import numpy as np
import pyarrow as pa
from numba.core.dispatcher import Dispatcher
from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.table_shards import TableShards
from seedtest_assets.features.person_fit import person_fit
from seedtest_assets.features.topic_theta import topic_theta
from seedtest_assets.irt import standard_errors
from seedtest_assets.report.item_curves import item_curves
from seedtest_assets.calibration import PARAMETER_COLUMNS
from seedtest_assets_tests.school import small_school

def compiled():
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("seedtest_assets.")]
    kernels = [kernel for module in modules for kernel in vars(module).values() if isinstance(kernel, Dispatcher)]
    return {(kernel.py_func.__qualname__, str(signature)) for kernel in kernels for signature in kernel.signatures}

irt.warm_up(["2PL"])
before = compiled()
answers = small_school().answers.rename_columns({"completed_at": "answered_at"})
result = InProcessEngine().calibrate(CalibrationRequest(answers))
anchors = result.items[PARAMETER_COLUMNS].head(8)
result = InProcessEngine().calibrate(CalibrationRequest(answers, anchors=anchors))
topic_theta(TableShards.here([answers]), answers, result.items, 0.0, 1.0)
# As tables come from PostgreSQL: with columns that nobody may write to.
window, parameters = small_school().answers, result.items[PARAMETER_COLUMNS].assign(steps=None, model=None)
items, abilities = (pa.Table.from_pandas(frame).to_pandas() for frame in (parameters, result.abilities))
assert not items["a"].to_numpy().flags.writeable
item_curves(window, items, abilities, "2PL", mean=0.0, sd=1.0)
person_fit(TableShards.here([window]), window, items, result.model_spec)
# A bank of thousands of items, which persons were given by their ability.
standard_errors.FULL_LIMIT = 0
theta = np.random.default_rng(3).normal(size=2000)
bank = irt.ItemParameters(np.arange(30), np.ones(30), np.linspace(-2, 2, 30), np.zeros(30))
given = np.where((theta < 0)[:, None], bank.item < 16, bank.item >= 14)
grouped = irt.calibrate(irt.Responses.from_matrix(np.where(given, irt.simulate(theta, bank), np.nan)), "2PL")
assert "groups of persons" in grouped.warnings[0]
assert len(before) > 15, before
print(*sorted(compiled() - before), sep="\\n")
"""


@pytest.mark.slow
def test_a_night_after_it_compiles_nothing():
    done = subprocess.run([sys.executable, "-c", NIGHT], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
