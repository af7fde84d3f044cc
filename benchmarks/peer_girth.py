"""girth, its twopl_mml with its defaults.

python -m benchmarks.peer_girth S1 1
"""

import girth
import numpy as np

from benchmarks.data_sets import DataSet
from benchmarks.peer import main, matrix


def fit(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    result = girth.twopl_mml(cells)
    a, b = result["Discrimination"], result["Difficulty"]
    return a, -a * b


def cells_of(data: DataSet) -> np.ndarray:
    return np.ascontiguousarray(matrix(data, girth.INVALID_RESPONSE).T)


if __name__ == "__main__":
    main(fit, cells_of)
