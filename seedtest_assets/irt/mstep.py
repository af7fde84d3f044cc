"""Maximisation: each item's parameters from its expected counts, by Newton or Fisher scoring steps that never go downhill."""

import math

import numpy as np

from seedtest_assets.irt.parallel import kernel

GUESSING_MEAN = math.log(0.2 / 0.8)  # prior of logit c, N(-1.386, 0.5^2): a guess among five answers
GUESSING_SD = 0.5


@kernel
def _log_likelihood(a, d, g, wrong, right, node, guessing):
    """Expected log-likelihood of one item, plus the log prior of its logit guessing when there is one."""
    c = 1 / (1 + math.exp(-g)) if guessing else 0.0
    total = -0.5 * ((g - GUESSING_MEAN) / GUESSING_SD) ** 2 if guessing else 0.0
    for q in range(node.size):
        z = a * node[q] + d
        log_one_minus = -max(z, 0.0) - math.log1p(math.exp(-abs(z)))
        if guessing:
            total += right[q] * math.log(c + (1 - c) * math.exp(z + log_one_minus))
            total += wrong[q] * (log_one_minus + math.log(1 - c))
        else:
            total += (right[q] + wrong[q]) * log_one_minus + right[q] * z
    return total


@kernel
def _gradient_and_information(a, d, g, wrong, right, node, guessing, gradient, information):
    """Score of (a, d, logit c) and its expected information, the prior's included."""
    c = 1 / (1 + math.exp(-g)) if guessing else 0.0
    n = 3 if guessing else 2
    gradient[:] = 0.0
    information[:, :] = 0.0
    slope = np.empty(3)
    for q in range(node.size):
        answers = right[q] + wrong[q]
        if answers <= 0:
            continue
        z = a * node[q] + d
        logistic = 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))
        p = c + (1 - c) * logistic
        variance = max(p * (1 - p), 1e-300)
        slope[1] = (1 - c) * logistic * (1 - logistic)
        slope[0] = slope[1] * node[q]
        slope[2] = c * (1 - c) * (1 - logistic)
        residual = right[q] - answers * p
        for i in range(n):
            gradient[i] += residual / variance * slope[i]
            for j in range(n):
                information[i, j] += answers / variance * slope[i] * slope[j]
    if guessing:
        gradient[2] -= (g - GUESSING_MEAN) / GUESSING_SD**2
        information[2, 2] += 1 / GUESSING_SD**2


@kernel
def maximise(a, d, g, counts, node, guessing, free, max_steps):
    """New (a, d, logit c) of every item from expected counts [2 n_items, n_nodes], in place; held where not `free`."""
    gradient = np.empty(3)
    information = np.empty((3, 3))
    n = 3 if guessing else 2
    for j in range(a.size):
        if not free[j]:
            continue
        wrong, right = counts[2 * j], counts[2 * j + 1]
        value = _log_likelihood(a[j], d[j], g[j], wrong, right, node, guessing)
        for _ in range(max_steps):
            _gradient_and_information(a[j], d[j], g[j], wrong, right, node, guessing, gradient, information)
            for i in range(n):
                information[i, i] = information[i, i] * (1 + 1e-9) + 1e-9
            step = np.linalg.solve(information[:n, :n], gradient[:n])
            size = np.abs(step).max()
            shrink = min(1.0, 2.0 / size) if size > 0 else 1.0
            while shrink > 1e-6:
                new_a, new_d = a[j] + shrink * step[0], d[j] + shrink * step[1]
                new_g = g[j] + shrink * step[2] if guessing else g[j]
                new_value = _log_likelihood(new_a, new_d, new_g, wrong, right, node, guessing)
                if new_value >= value - 1e-12 * abs(value):
                    a[j], d[j], g[j], value = new_a, new_d, new_g, new_value
                    break
                shrink /= 2
            if size < 1e-9 or shrink <= 1e-6:
                break
