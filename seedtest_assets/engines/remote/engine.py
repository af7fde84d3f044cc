"""Calibrate through an IRT service over HTTP: the R service of a deployment, or `seedtest serve`."""

import time
from typing import Any, cast

from seedtest_assets import irt
from seedtest_assets.calibration import CalibrationRequest, CalibrationResult, Progress
from seedtest_assets.engines.coded_request import CodedRequest, code_request
from seedtest_assets.engines.remote.estimates import Estimates, read_estimates, with_one_slope
from seedtest_assets.engines.remote.http import Call, IrtConnection
from seedtest_assets.engines.remote.reply import ServiceReply, read_reply
from seedtest_assets.engines.remote.request import write_request
from seedtest_assets.engines.remote.rescale import on_bank_scale
from seedtest_assets.engines.result_tables import (
    ability_table,
    item_table,
    left_out_table,
    model_specification,
    partial_credit_facts,
)
from seedtest_assets.errors import InputError, SettingsError
from seedtest_assets.irt.models import Model
from seedtest_assets.settings import Settings, revealed


class IrtServiceEngine:
    """An IRT service as an engine; its results are those of the in-process engine, as far as the service gives them."""

    name = "irt-service"

    def __init__(self, settings: Settings) -> None:
        if not settings.r_irt_base_url:
            raise SettingsError("R_IRT_BASE_URL is not set. Set it to the address of the IRT service")
        self.item_features = settings.item_features
        self.connection = IrtConnection(
            settings.r_irt_base_url, settings.r_irt_timeout_secs, revealed(settings.r_irt_internal_token)
        )

    def calibrate(self, request: CalibrationRequest, progress: Progress | None = None) -> CalibrationResult:
        """Post the answers, check the reply, and put it on the bank's scale where the service did not.

        Raises SettingsError for priors, which the contract has no place for, InputError for data that cannot be calibrated, IrtServiceRefusal for a reply that cannot be used,
        IrtServiceError where a retry may help.
        """
        if request.priors.given:
            raise SettingsError(
                f"the IRT service cannot take priors, and {', '.join(request.priors.given)} is set. Unset MIRT_PRIOR_A, "
                "MIRT_PRIOR_B, MIRT_PRIOR_C and MIRT_FIXED_C, or R_IRT_BASE_URL, so that this process calibrates"
            )
        if self.item_features or len(request.item_priors):
            raise SettingsError(
                "the IRT service cannot take priors, and SEEDTEST_ITEM_FEATURES is set. Unset it, or "
                "R_IRT_BASE_URL, so that this process calibrates"
            )
        started = time.perf_counter()
        coded = code_request(request)
        try:
            sent = write_request(request, coded)
        except irt.DataError as error:
            raise InputError(str(error)) from None
        with self.connection:
            parsed, call = self.connection.post("/irt/calibrate", sent.body, request.attempt)
        reply = read_reply(parsed)
        estimates, warnings = read_estimates(reply, request, coded, sent)
        rescaled = on_bank_scale(estimates, reply.linking, request, coded, sent)
        estimates = rescaled.estimates
        items = item_table(
            coded,
            estimates.items,
            estimates.standard_errors,
            estimates.n_answers,
            model=request.model,
            se_steps=estimates.se_steps,
        )
        specification = model_specification(
            coded,
            request.model,
            len(items),
            (estimates.group_mean, estimates.group_sd),
            rescaled.linked_to,
            rescaled.linking_constants,
            rescaled.n_items_not_linked,
        ) | partial_credit_facts(request, coded, estimates.items)
        seconds = round(time.perf_counter() - started, 3)
        return CalibrationResult(
            items,
            ability_table(coded, estimates.theta, estimates.theta_se),
            left_out_table(coded, estimates.left_out),
            specification,
            _metrics(request.model, estimates, coded, reply) | {"engine": self.name, "seconds": seconds} | _facts(call),
            # What the service says of the design and the linking is often what is said here.
            tuple(dict.fromkeys((*sent.warnings, *warnings, *rescaled.warnings))),
        )


def _metrics(model: str, estimates: Estimates, coded: CodedRequest, reply: ServiceReply) -> dict[str, Any]:
    """Collect the metrics of every engine; None for what the service does not give."""
    given, items = reply.metrics, estimates.items
    n_parameters = int(irt.free_parameters(items, cast(Model, model)).sum())
    n_parameters += bool(with_one_slope(items, model).any())
    answered = coded.answered
    return {
        **{name: given.get(name) for name in ("loglik", "aic", "bic")},
        "reliability": irt.reliability(estimates.theta[answered], estimates.theta_se[answered]),
        "n_parameters": int(given.get("n_parameters", n_parameters)),
        "iterations": int(given["iterations"]) if "iterations" in given else None,
        "converged": bool(given["converged"]) if "converged" in given else None,
        "n_set_aside": coded.responses.n_set_aside,
        "n_populations": None,
        "n_items_left_out": len(estimates.left_out),
        "service_run_id": reply.run_id,
    }


def _facts(call: Call) -> dict[str, Any]:
    return {
        "service": call.service,
        "status": call.status,
        "call_seconds": round(call.seconds, 3),
        "bytes_sent": call.bytes_sent,
        "bytes_received": call.bytes_received,
        "attempt": call.attempt,
    }
