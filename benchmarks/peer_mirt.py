"""PyPI mirt (Rust), 41 nodes, without standard errors; with its SQUAREM on S2, where that helps.

python -m benchmarks.peer_mirt S3 3
"""

import sys

import mirt
import numpy as np

from benchmarks.data_sets import DataSet
from benchmarks.peer import main, matrix

ACCELERATE = "squarem" if "S2" in sys.argv else "none"


def fit(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result = mirt.fit_mirt(cells, "2PL", n_quadpts=41, compute_standard_errors=False, accelerate=ACCELERATE)
    parameters = result.model.parameters
    a, b = np.ravel(parameters["discrimination"]), np.ravel(parameters["difficulty"])
    return a, -a * b


def cells_of(data: DataSet) -> np.ndarray:
    return matrix(data, -1)


if __name__ == "__main__":
    main(fit, cells_of)
