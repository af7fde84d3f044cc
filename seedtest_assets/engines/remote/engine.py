"""Calibrate through an IRT service over HTTP: the R service of a deployment, or `seedtest serve`."""

import time
from dataclasses import replace
from math import isfinite, nan

import numpy as np

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.engines.in_process import CodedRequest, with_codes, with_names
from seedtest_assets.engines.remote.http import Call, IrtConnection
from seedtest_assets.engines.remote.reply import Reply, read_reply
from seedtest_assets.engines.remote.request import write_request
from seedtest_assets.engines.remote.rescale import Fit, fit_of, on_the_bank
from seedtest_assets.errors import InputError, SettingsError
from seedtest_assets.settings import Settings


class IrtServiceEngine:
    """An IRT service as an engine; what comes out is what the in-process engine gives, as far as the service tells."""

    name = "irt-service"

    def __init__(self, settings: Settings) -> None:
        if not settings.r_irt_base_url:
            raise SettingsError("R_IRT_BASE_URL is not set: it is the address of the IRT service")
        self.connection = IrtConnection(
            settings.r_irt_base_url, settings.r_irt_timeout_secs, settings.r_irt_internal_token
        )

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Ask the service, check what it answers, and put it on the bank's scale where the service did not.

        Raises InputError for data that cannot be calibrated and for a reply without meaning, TransientError for what
        may pass by itself.
        """
        started = time.perf_counter()
        coded = with_codes(request)
        try:
            asked = write_request(request, coded)
        except irt.DataError as error:
            raise InputError(str(error)) from None
        with self.connection:
            answer, call = self.connection.post("/irt/calibrate", asked.body, request.attempt)
        reply = read_reply(answer)
        fit, linking, words = on_the_bank(fit_of(reply, request, coded, asked), reply, request, asked)
        calibration = _calibration(fit, linking, fit.warnings + words, reply, request.model, coded)
        result = with_names(calibration, coded, request, self.name, time.perf_counter() - started)
        return _told(result, reply, call)


def _calibration(
    fit: Fit, linking: irt.Linking | None, warnings: tuple[str, ...], reply: Reply, model: str, coded: CodedRequest
) -> irt.Calibration:
    answered = np.diff(coded.responses.person_start) > 0
    parameters_an_item = {"Rasch": 1, "2PL": 2, "3PL": 3}[model]
    told = reply.metrics
    return irt.Calibration(
        items=fit.items,
        se_a=fit.se[0],
        se_b=fit.se[1],
        se_c=fit.se[2],
        n_responses=fit.n_answers,
        theta=fit.theta,
        theta_se=fit.theta_se,
        left_out=fit.left_out,
        flagged=(),
        loglik=told.get("loglik", nan),
        aic=told.get("aic", nan),
        bic=told.get("bic", nan),
        n_parameters=int(told.get("n_parameters", parameters_an_item * len(fit.items) + (model == "Rasch"))),
        iterations=int(told.get("iterations", 0)),
        converged=bool(told.get("converged", False)),
        group_mean=fit.mean,
        group_sd=fit.sd,
        groups_mean=np.array([fit.mean]),
        groups_sd=np.array([fit.sd]),
        linking=linking,
        reliability=irt.reliability(fit.theta[answered], fit.theta_se[answered]),
        warnings=warnings,
    )


def _told(result: CalibrationResult, reply: Reply, call: Call) -> CalibrationResult:
    """The result with what only a service has: how the call went; null for what it did not say."""
    metrics = {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in result.metrics.items()
    }
    metrics |= {name: None for name in ("iterations", "converged") if name not in reply.metrics}
    metrics |= {
        "service": call.service,
        "service_run_id": reply.run_id,
        "status": call.status,
        "call_seconds": round(call.seconds, 3),
        "bytes_sent": call.bytes_sent,
        "bytes_received": call.bytes_received,
        "attempt": call.attempt,
    }
    spec = dict(result.model_spec)
    constants = spec.get("linking_constants")
    if constants and reply.constants and (constants["A"], constants["B"]) == (reply.constants.A, reply.constants.B):
        used = reply.constants.n_anchors_used
        constants = constants | {"screened_out": reply.constants.screened_out}
        spec["linking_constants"] = constants if used is None else constants | {"n_anchors_used": used}
    return replace(result, metrics=metrics, model_spec=spec)
