"""What a worker process does: bytes of a request in, bytes of its answer out. Nothing but an Outcome leaves it."""

import gzip
import os
import signal
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import ITEM_COLUMNS, LEFT_OUT_COLUMNS, CalibrationResult
from seedtest_assets.engines.in_process import InProcessEngine
from seedtest_assets.errors import InputError
from seedtest_assets.irt.choices import MODELS
from seedtest_assets.service.limits import Limits, Refusal
from seedtest_assets.service.messages import Outcome, Task
from seedtest_assets.service.reading import (
    NOT_ANSWERED,
    calibration_body,
    calibration_request,
    matrix,
    scoring_body,
    unpacked,
)
from seedtest_assets.service.wire import (
    NOT_AVAILABLE,
    Ability,
    CalibrationReply,
    ErrorReply,
    FitMeta,
    FittedItem,
    FittedParameters,
    LeftOutItem,
    Score,
    ScoredItem,
    ScoringReply,
)

WORTH_PACKING = 16 * 1024


def prepare() -> None:
    """Load and compile everything once, so that the first caller does not wait for it."""
    _settle_in()
    rows = np.random.default_rng(0).integers(0, 2, (60, 4)).tolist()
    items = [{"item_id": f"I{number}", "a": 1.0, "b": 0.0} for number in range(1, 5)]
    anchors = [{"item_id": item["item_id"], "params": {"a": 1.0, "b": 0.0}, "fixed": True} for item in items]
    for model in MODELS:
        body = {"responses": rows, "model": model, "anchors": anchors}
        _calibrate(msgspec.json.encode(body), Limits())
    _score(msgspec.json.encode({"item_params": items, "responses": rows}), Limits())


def calibrate(task: Task) -> Outcome:
    """Answer POST /irt/calibrate."""
    return _answer(_calibrate, task)


def score(task: Task) -> Outcome:
    """Answer POST /irt/score."""
    return _answer(_score, task)


def _answer(work: Callable[[bytes, Limits], tuple[Any, dict[str, Any]]], task: Task) -> Outcome:
    _settle_in()
    try:
        reply, facts = work(unpacked(Path(task.path).read_bytes(), task.encoding, task.limits), task.limits)
    except Refusal as refusal:
        return _error(refusal.status, refusal.message)
    except (InputError, irt.DataError) as error:
        return _error(400, str(error))
    except MemoryError:
        return _error(413, "the request needs more memory than there is; send fewer answers")
    except Exception:
        return _error(500, "", traceback.format_exc())
    body = msgspec.json.encode(reply, enc_hook=_plain)
    if task.gzip_answer and len(body) > WORTH_PACKING:
        return Outcome(200, gzip.compress(body, 1), True, facts)
    return Outcome(200, body, False, facts)


def _error(status: int, message: str, trace: str | None = None) -> Outcome:
    return Outcome(status, msgspec.json.encode(ErrorReply(message)), facts={"error": message}, trace=trace)


def _calibrate(body: bytes, limits: Limits) -> tuple[CalibrationReply, dict[str, Any]]:
    began = time.perf_counter()
    asked = calibration_body(body)
    request, users, items = calibration_request(asked, limits)
    named = asked.observations is not None
    del asked
    parsed = time.perf_counter()
    result = InProcessEngine().calibrate(request)
    constants = result.model_spec.get("linking_constants")
    fitted_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reply = CalibrationReply(
        _items(result, request.model, items),
        _abilities(result, request.model, users, constants, named),
        FitMeta(
            run_id=f"fit-{fitted_at}",
            model_spec={key: value for key, value in result.model_spec.items() if key != "linking_constants"},
            linking_constants=constants,
            metrics=result.metrics,
            left_out=_left_out(result, items),
            warnings=list(result.warnings),
        ),
    )
    facts = {
        "answers": request.answers.num_rows,
        "persons": len(users),
        "items": len(reply.item_params),
        "left_out": len(reply.fit_meta.left_out),
        "anchors": len(request.anchors),
        "linked_to": result.model_spec.get("linked_to", "none"),
        "parse_seconds": round(parsed - began, 3),
        "work_seconds": round(time.perf_counter() - began, 3),
    }
    return reply, facts


def _items(result: CalibrationResult, model: str, order: list[str]) -> list[FittedItem]:
    """The fitted items, in the order in which they were named."""
    # null, not NaN, for what was not estimated; c belongs to the 3PL alone
    found = result.items.set_index("item_id", drop=False)
    found = found.loc[[item for item in order if item in found.index]]
    table = found.astype(object).where(found.notna(), None)
    if model != "3PL":
        table = table.assign(c=None, se_c=None)
    rows = table[[*ITEM_COLUMNS]].itertuples(index=False, name=None)
    return [
        FittedItem(item, FittedParameters(a, b, c), model, FittedParameters(se_a, se_b, se_c), n_responses, is_anchor)
        for item, a, b, c, se_a, se_b, se_c, n_responses, is_anchor in rows
    ]


def _abilities(
    result: CalibrationResult, model: str, users: list[str], constants: dict[str, Any] | None, named: bool
) -> list[Ability]:
    """Everyone who was named, in their order; whoever answered nothing has the population's mean and SD."""
    mean, sd = (constants["B"], constants["A"]) if constants else (0.0, 1.0)
    found = result.abilities.set_index("user_id").reindex(users)
    theta, se = found["theta"].fillna(mean), found["se"].fillna(sd)
    n_responses = found["n_responses"].fillna(0).astype(int)
    rows = zip(theta.tolist(), se.tolist(), n_responses.tolist(), users, strict=True)
    return [Ability(t, e, model, n, user if named else None, "v1") for t, e, n, user in rows]


def _left_out(result: CalibrationResult, items: list[str]) -> list[LeftOutItem]:
    told = [LeftOutItem(*row) for row in result.left_out[LEFT_OUT_COLUMNS].itertuples(index=False, name=None)]
    known = set(result.items["item_id"]) | {item.item_id for item in told}
    return told + [LeftOutItem(item, 0, "nobody answered it") for item in items if item not in known]


def _score(body: bytes, limits: Limits) -> tuple[ScoringReply, dict[str, Any]]:
    asked = scoring_body(body)
    if len(asked.item_params) > limits.items:
        raise Refusal(413, f"{len(asked.item_params):,} items; one request may hold {limits.items:,}")
    if len(asked.responses) > limits.persons:
        raise Refusal(413, f"{len(asked.responses):,} rows; one request may hold {limits.persons:,}")
    items = _parameters(asked.item_params)
    answers = matrix(asked.responses, len(items))
    person, item = np.nonzero(answers != NOT_ANSWERED)
    responses = irt.Responses.from_answers(
        person, item, answers[person, item], n_persons=len(answers), n_items=len(items)
    )
    theta, se = irt.expected_a_posteriori(responses, items)
    nothing = np.diff(responses.person_start) == 0
    theta[nothing], se[nothing] = 0.0, 1.0  # exactly, where the grid gives it but for rounding
    scores = [Score(t, e) for t, e in zip(theta.tolist(), se.tolist(), strict=True)]
    return ScoringReply(scores), {"answers": len(person), "persons": len(answers), "items": len(items)}


def _parameters(items: list[ScoredItem]) -> irt.ItemParameters:
    values = np.empty((len(items), 3))
    for number, item in enumerate(items):
        p = item.params or item
        if p.a is None or p.b is None:
            raise Refusal(400, f"item_params[{number}] has no a and b, neither flat nor under `params`")
        c = 0.0 if p.c is None or p.c == NOT_AVAILABLE else float(p.c)
        if not (0 < abs(p.a) <= 100 and abs(p.b) <= 1000 and 0 <= c < 1):
            raise Refusal(
                400, f"item_params[{number}]: a must be in [-100, 100] and not 0, b in [-1000, 1000], c in [0, 1)"
            )
        values[number] = p.a, p.b, c
    return irt.ItemParameters(np.arange(len(items)), *values.T)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")


@cache
def _settle_in() -> None:
    """Once in each process: the server decides what is finished, and goes first when the cores are busy.

    Ctrl-C and a service manager's TERM reach the whole group, so a worker leaves them to the server.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)
