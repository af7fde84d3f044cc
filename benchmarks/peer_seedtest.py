"""This engine: from the list of answers, in whatever order, to parameters and abilities.

python -m benchmarks.peer_seedtest S4 3
"""

import sys

import numpy as np

from benchmarks.data_sets import DataSet
from benchmarks.peer import main
from seedtest_assets import irt

WITH_ERRORS = "errors" in sys.argv


def fit(data: DataSet) -> tuple[np.ndarray, np.ndarray]:
    responses = irt.Responses.from_answers(data.person, data.item, data.correct)
    calibration = irt.calibrate(responses, options=irt.Options(standard_errors=WITH_ERRORS))
    return calibration.items.a, calibration.items.d


if __name__ == "__main__":
    main(fit)
