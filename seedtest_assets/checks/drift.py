"""Did items move on the bank's scale? A move counts only when it is large, and far beyond its sampling error."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from seedtest_assets import irt
from seedtest_assets.checks.judgement import Judgement, Trend, Verdict, worst_of
from seedtest_assets.errors import first_few
from seedtest_assets.irt.robust import ENOUGH, standardised
from seedtest_assets.item_steps import kinds_of, steps_column, steps_matrix
from seedtest_assets.thresholds import Thresholds

GRID = irt.normal_grid()
PARAMETERS = {"b": "difficulty", "a": "discrimination"}
STEP = "step"
"""Of an item with partial credit, the step that moved most unlike the mean of its steps, b."""
COLUMNS = ["item_id", "a", "a_usual", "error_a", "b", "b_usual", "error_b", "n_responses"]
"""What is shown of the items that moved."""
SHOWN = 3
"""Items that a finding names."""
COLUMNS_OF_STEPS = [*COLUMNS, "step", "move_step", "score_change"]
"""The same where items have steps: which moved by how much against b, and the largest change of the expected share of points."""


def anchor_drift(
    items: pd.DataFrame, anchors: pd.DataFrame, residuals: pd.DataFrame, earlier: pd.DataFrame, limits: Thresholds
) -> Judgement:
    """Compare the anchors, estimated today, with the values that the bank has published for them.

    items: ITEM_COLUMNS of today; anchors: PARAMETER_COLUMNS of the bank, taken as free of error; residuals: item_id, z of the
    anchors' answers under the bank's values; earlier: as in item_drift.

    The z of a difficulty is the larger of two: its move in standard errors, and the residual. The second sees an item of low
    discrimination, or far from the students, whose standard errors are wide, and needs none.
    """
    items = _with_steps(items)
    of_bank, other_scores = _comparable(_with_steps(anchors).assign(se_a=0.0, se_b=0.0, n_responses=1), items)
    moves = _moves(items, of_bank, 0.0, limits)
    residual = standardised(moves["item_id"].map(residuals.set_index("item_id")["z"]).to_numpy(float))
    in_proportion = limits.anchor_drift_z / limits.anchor_residual_z
    moves["z_b"] = np.fmax(moves["z_b"].abs(), np.abs(residual) * in_proportion)
    moves["z_a"] = moves["z_a"].fillna(0.0)
    drift = _drift("anchors", moves, other_scores, limits.anchor_drift_z, limits)
    return Judgement(
        check="anchor_drift",
        verdict=drift.verdict,
        finding=drift.finding or ("the bank has no anchors" if anchors.empty else drift.nothing_moved),
        advice=(
            "An anchor that moved no longer carries the scale. See the question (leaked, edited, wrong key?), "
            "then untag it or give it new values"
        ),
        numbers=drift.numbers,
        limits=drift.limits,
        history=_trend(earlier, drift),
        worst=drift.worst,
    )


def item_drift(
    day: date, items: pd.DataFrame, earlier: pd.DataFrame, lookback_days: int, limits: Thresholds
) -> Judgement:
    """Compare every item with the median of its values in the last partitions, and the whole scale with it.

    items: ITEM_COLUMNS of the day; earlier: partition_date, item_id, model, a, b, steps, se_a, se_b, n_responses of the last
    partitions; lookback_days: the window whose answers two nights share.
    """
    items = _with_steps(items)
    alike, other_scores = _comparable(_with_steps(earlier), items)
    usual = _usual(alike)
    age = (pd.Timestamp(day) - pd.to_datetime(earlier["partition_date"])).dt.days.median()
    moves = _moves(_with_errors(items), _with_errors(usual), max(0.0, 1 - age / lookback_days), limits)
    drift = _drift("items", moves, other_scores, limits.item_drift_z, limits)
    no_history = f"{len(items):,} items. There is no earlier partition to compare with"
    return Judgement(
        check="item_drift",
        verdict=drift.verdict,
        finding=drift.finding or (no_history if earlier.empty else drift.nothing_moved),
        advice=(
            "See these questions and who changed them: an edited text, a wrong key or a leak moves one item, "
            "a wrong linking moves all"
        ),
        numbers=drift.numbers,
        limits=drift.limits,
        history=_trend(earlier, drift),
        worst=drift.worst,
    )


def _with_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of items with partial credit where a table knows of none."""
    return table.assign(**{name: None for name in ("model", "steps", "se_steps") if name not in table.columns})


def _comparable(reference: pd.DataFrame, items: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Select the rows whose scores and model are those of the item today; also give the items that have no such row."""
    kinds = dict(zip(items["item_id"], kinds_of(items), strict=True))
    now = reference["item_id"].map(kinds).to_numpy(object)
    alike = reference[kinds_of(reference) == now]
    known = set(reference["item_id"]) & kinds.keys()
    return alike, sorted(known - set(alike["item_id"]))


def _usual(earlier: pd.DataFrame) -> pd.DataFrame:
    """Compute each item's medians over the partitions."""
    names = ["a", "b", "c", "se_a", "se_b", "n_responses"]
    usual = earlier.groupby("item_id", as_index=False)[names].median()
    steps = pd.DataFrame(steps_matrix(earlier["steps"]), index=earlier["item_id"]).groupby(level=0).median()
    models = earlier.drop_duplicates("item_id", keep="last").set_index("item_id")["model"]
    of_items = steps.reindex(usual["item_id"]).to_numpy(float)
    return usual.assign(model=usual["item_id"].map(models), steps=pd.Series(steps_column(of_items), dtype=object))


def _moves(items: pd.DataFrame, reference: pd.DataFrame, shared: float, limits: Thresholds) -> pd.DataFrame:
    """Compute the moves of each common item with enough answers, their standard errors and robust z.

    shared: how much of the smaller calibration's answers the other has, too. Two estimates from n and m answers, o of
    them the same, correlate o / sqrt(n m), so that their difference has the variance
    se_n^2 + se_m^2 - 2 se_n se_m o / sqrt(n m). z is the move in these errors, around the median of all items' and,
    where the night is noisier than that, in units of their robust SD.
    """
    moves = items[items["n_responses"] >= limits.drift_min_answers].merge(
        reference[["item_id", "a", "b", "steps", "se_a", "se_b", "n_responses"]],
        on="item_id",
        suffixes=("", "_usual"),
    )
    n, m = (moves[name].to_numpy(float) for name in ("n_responses", "n_responses_usual"))
    correlation = shared * np.minimum(n, m) / np.sqrt(n * m)
    for name in PARAMETERS:
        new, old = (moves[f"se_{name}{suffix}"].to_numpy(float) for suffix in ("", "_usual"))
        moves[f"move_{name}"] = moves[name] - moves[f"{name}_usual"]
        moves[f"error_{name}"] = np.sqrt(np.maximum(new**2 + old**2 - 2 * correlation * new * old, 1e-8))
        moves[f"z_{name}"] = standardised((moves[f"move_{name}"] / moves[f"error_{name}"]).to_numpy(float))
    return _with_moves_of_steps(moves, limits)


def _with_moves_of_steps(moves: pd.DataFrame, limits: Thresholds) -> pd.DataFrame:
    """Add which step of each item moved most unlike its b, by how much, and z: step (0 where there is none), move_step, z_step.

    The move's error is that of the move of b, as many times as large as the step's own error is today.
    """
    n_steps = max(steps_matrix(moves["steps"]).shape[1], 1)
    now, was, error = (_padded(moves[name], n_steps) for name in ("steps", "steps_usual", "se_steps"))
    b, b_usual, error_b, se_b = (moves[name].to_numpy(float)[:, None] for name in ("b", "b_usual", "error_b", "se_b"))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.where(np.isfinite(now) & np.isfinite(was), (now - b) - (was - b_usual), np.nan)
        z = standardised((apart / (error_b * error / se_b)).ravel()).reshape(apart.shape)
    z = np.where(np.isfinite(z) & (np.abs(apart) >= limits.drift_b_moderate), z, 0.0)
    size = np.where(np.isnan(apart), 0.0, np.abs(apart))
    worst = np.where(z.any(axis=1), np.argmax(np.abs(z), axis=1), np.argmax(size, axis=1))
    rows = np.arange(len(moves))
    return moves.assign(
        step=np.where(size.any(axis=1), worst + 1, 0),
        move_step=np.nan_to_num(apart[rows, worst]),
        z_step=z[rows, worst],
    )


def _padded(column: pd.Series, n_steps: int) -> np.ndarray:
    """Put lists of steps into float64 [n, n_steps], NaN where there is none."""
    matrix = steps_matrix(column)[:, :n_steps]
    return np.pad(matrix, ((0, 0), (0, n_steps - matrix.shape[1])), constant_values=np.nan)


def _parameters(table: pd.DataFrame) -> irt.ItemParameters:
    """Give the parameters of the rows, with their position as code."""
    a, b, c = (table[name].to_numpy(float) for name in "abc")
    steps = steps_matrix(table["steps"])
    model = np.where(np.isfinite(steps).any(axis=1), table["model"].to_numpy(object), "")
    return irt.ItemParameters(np.arange(len(table)), a, b, c, steps, model)


def _with_errors(items: pd.DataFrame) -> pd.DataFrame:
    """Fill in the standard errors of known abilities, N(0, 1), if the engine gave none at all.

    They are those of the inverse of n answers' expected information about a and b, whose elements are E[I (theta - b)^2 / a^2],
    E[I] and -E[I (theta - b) / a] with the item's information I. By how much they are too small is much the same for all
    items, and what the moves' robust SD takes out.
    """
    if items.empty or np.isfinite(items[["se_a", "se_b"]].to_numpy(float)).any():
        return items
    a, b, n = (items[name].to_numpy(float) for name in ("a", "b", "n_responses"))
    information = n[:, None] * irt.information(GRID.node, _parameters(items)) * GRID.weight
    distance = (GRID.node - b[:, None]) / np.where(a == 0, 1e-3, a)[:, None]
    of_a, of_b = (information * distance**2).sum(axis=1), information.sum(axis=1)
    of_both = (information * distance).sum(axis=1)
    determinant = np.maximum(of_a * of_b - of_both**2, 1e-12)
    return items.assign(se_a=np.sqrt(of_b / determinant), se_b=np.sqrt(of_a / determinant))


@dataclass(frozen=True, kw_only=True)
class _Drift:
    """Which items moved, and whether all did.

    moves: a row a judged item; moved: of those that moved, the worst first. finding: empty when nothing moved.
    """

    verdict: Verdict
    finding: str
    nothing_moved: str
    numbers: Mapping[str, float | None]
    limits: Mapping[str, float]
    moves: pd.DataFrame
    moved: pd.DataFrame

    @property
    def worst(self) -> pd.DataFrame | None:
        if not len(self.moved):
            return None
        worst = self.moved.head(10)
        return _with_score_change(worst)[COLUMNS_OF_STEPS] if worst["step"].any() else worst[COLUMNS]


def _with_score_change(moved: pd.DataFrame) -> pd.DataFrame:
    """Add the largest change of the expected score, as a share of the highest."""
    usual = moved.assign(a=moved["a_usual"], b=moved["b_usual"], steps=moved["steps_usual"])
    curve, before = (irt.probability(GRID.node, _parameters(table)) for table in (moved, usual))
    return moved.assign(score_change=np.abs(curve - before).max(axis=1))


def _drift(kind: str, moves: pd.DataFrame, other_scores: list[str], z_limit: float, limits: Thresholds) -> _Drift:
    known = np.isfinite(moves[["move_a", "move_b", "z_a", "z_b"]].to_numpy(float)).all(axis=1)
    moves = moves[known].reset_index(drop=True)
    sizes = {
        "b": (limits.drift_b_moderate, limits.drift_b_severe),
        "a": (limits.drift_a_moderate, limits.drift_a_severe),
        # Where b and a stay, the expected score changes by a few percent of its highest at most.
        **({STEP: (limits.drift_b_moderate, np.inf)} if moves["step"].any() else {}),
    }
    findings, verdicts = [], []
    for name, (moderate, severe) in sizes.items():
        moves[f"verdict_{name}"] = np.where(
            np.abs(moves[f"z_{name}"]) > z_limit, _by_size(moves[f"move_{name}"], moderate, severe), 0
        )
        if name == STEP:  # the moves of an item's steps against their mean cancel out
            continue
        median = float(moves[f"move_{name}"].median()) if len(moves) >= ENOUGH else 0.0
        if abs(median) >= moderate:
            verdicts.append(Verdict.ERROR if abs(median) >= severe else Verdict.WARN)
            findings.append(f"the whole scale moved: median change of {PARAMETERS[name]} {median:+.2f}")
    moves["verdict"] = moves[[f"verdict_{name}" for name in sizes]].max(axis=1)
    moved = moves[moves["verdict"] > 0].sort_values(["verdict", "n_responses"], ascending=False)
    n_severe = int((moved["verdict"] == int(Verdict.ERROR)).sum())
    if len(moved):
        findings.append(f"{len(moved)} of {len(moves)} {kind} moved, {n_severe} severely: {_named(moved)}")
    not_compared = _not_compared(kind, other_scores)
    findings += [not_compared] * bool(findings and not_compared)
    return _Drift(
        verdict=worst_of(*verdicts, *map(Verdict, moved["verdict"])),
        finding=". ".join(findings),
        nothing_moved=". ".join(filter(None, [_nothing_moved(kind, moves, limits), not_compared])),
        numbers={
            "judged": len(moves),
            "moved": len(moved),
            "moved_severely": n_severe,
            **({"other_scores": len(other_scores)} if other_scores else {}),
            **{f"median_change_{name}": _or_none(moves[f"move_{name}"].median()) for name in PARAMETERS},
            **{f"largest_change_{name}": _or_none(moves[f"move_{name}"].abs().max()) for name in sizes},
        },
        limits={
            **{f"{name}_moderate": sizes[name][0] for name in PARAMETERS},
            **{f"{name}_severe": sizes[name][1] for name in PARAMETERS},
            "z": z_limit,
        },
        moves=moves,
        moved=moved,
    )


def _by_size(move: pd.Series, moderate: float, severe: float) -> np.ndarray:
    size = np.abs(move.to_numpy(float))
    return np.select([size >= severe, size >= moderate], [int(Verdict.ERROR), int(Verdict.WARN)], 0)


def _named(moved: pd.DataFrame) -> str:
    shown: list[Any] = list(moved.head(SHOWN).itertuples())
    named = ", ".join(f"{row.item_id} (b {row.move_b:+.2f}, a {row.move_a:+.2f}{_step(row)})" for row in shown)
    return named + (f" and {len(moved) - SHOWN} more" if len(moved) > SHOWN else "")


def _step(row: Any) -> str:
    return f", b_{row.step} {row.move_step:+.2f} against b" if getattr(row, "verdict_step", 0) else ""


def _not_compared(kind: str, other_scores: list[str]) -> str:
    if not other_scores:
        return ""
    return f"{kind} with other scores or another model than before ({len(other_scores)}) are not compared: {first_few(other_scores)}"


def _nothing_moved(kind: str, moves: pd.DataFrame, limits: Thresholds) -> str:
    if moves.empty:
        return f"none of the {kind} has {limits.drift_min_answers} answers, a standard error and an earlier value"
    return (
        f"none of {len(moves):,} {kind} moved. The largest change of difficulty is {moves['move_b'].abs().max():.2f}, "
        f"of discrimination {moves['move_a'].abs().max():.2f}"
    )


def _trend(earlier: pd.DataFrame, drift: _Drift) -> Trend:
    """Over the partitions, the parameter that moved of the item that moved worst, else the difficulty that moved most."""
    moves, moved = drift.moves, drift.moved
    if moves.empty:
        return Trend()
    row = moved.iloc[0] if len(moved) else moves.iloc[int(moves["move_b"].abs().to_numpy().argmax())]
    before = earlier[earlier["item_id"] == row["item_id"]].sort_values("partition_date")
    step = int(row["step"])
    if step and row.get("verdict_step", 0) > max(row["verdict_a"], row["verdict_b"]):
        earlier_steps, now, usual = (
            _padded(pd.Series(column, dtype=object), step)[:, step - 1].tolist()
            for column in (_with_steps(before)["steps"], [row["steps"]], [row["steps_usual"]])
        )
        return Trend(values=[*earlier_steps, *now], label=f"b_{step} of {row['item_id']}", limits=usual)
    name = "a" if row["verdict_a"] > row["verdict_b"] else "b"
    return Trend(
        values=[*before[name].astype(float), float(row[name])],
        label=f"{PARAMETERS[name]} of {row['item_id']}",
        limits=[float(row[f"{name}_usual"])],
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
