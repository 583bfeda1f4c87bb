"""The best pairing of two lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.later import np

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray


def best_pairs(weights: FloatArray) -> list[tuple[int, int]]:
    """Return pairs (row, column) of an (n, m) table whose weights have the largest sum, each used once.

    The Hungarian algorithm with potentials, O(n² m) (Kuhn 1955; Munkres 1957).
    """
    if weights.shape[0] > weights.shape[1]:
        return sorted((row, column) for column, row in best_pairs(weights.T))
    n, m = weights.shape
    rows, columns = np.zeros(n + 1), np.zeros(m + 1)
    owner = np.zeros(m + 1, dtype=np.intp)  # the row, from 1, that a column belongs to; 0 is none
    for row in range(1, n + 1):
        owner[0], column = row, 0
        least, before = np.full(m + 1, np.inf), np.zeros(m + 1, dtype=np.intp)
        used = np.zeros(m + 1, dtype=bool)
        while True:
            used[column] = True
            cost = -weights[owner[column] - 1] - rows[owner[column]] - columns[1:]
            nearer = ~used[1:] & (cost < least[1:])
            least[1:][nearer], before[1:][nearer] = cost[nearer], column
            following = int(np.argmin(np.where(used, np.inf, least)[1:])) + 1
            delta = least[following]
            rows[owner[used]] += delta
            columns[used] -= delta
            least[~used] -= delta
            column = following
            if not owner[column]:
                break
        while column:
            owner[column] = owner[before[column]]
            column = int(before[column])
    return sorted((int(owner[column]) - 1, column - 1) for column in range(1, m + 1) if owner[column])
