"""The client: one method for each page of the service."""

import threading
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from seedtest_client.bodies import Rows, anchor_json, item_json, models_json, observation_json, person_json, rows_json
from seedtest_client.errors import Busy, Rejected, ServiceFault, Unreachable
from seedtest_client.replies import calibration, error_message, json_object, made, person_ability
from seedtest_client.types import (
    Ability,
    Anchor,
    Answer,
    Calibration,
    Health,
    KnownItem,
    Models,
    Observation,
    PersonAbility,
    Population,
    Prior,
)
from seedtest_client.waiting import LONGEST_WAIT, BoundedRetry, too_long_a_wait

CONNECT_SECONDS = 10.0
CALIBRATE = "/irt/calibrate"


class Client:
    """Calls an IRT service. Threads may share it: each has connections of its own, which stay open.

    Parameters
    ----------
    url : str
        Address of the service, such as "http://localhost:8000".
    token : str, optional
        Its bearer token.
    timeout : float
        Seconds that the service may take to answer.
    retries : int
        How often a call is sent again where the service cannot be connected to or is busy (503), after its Retry-After.
        0, or a Retry-After above LONGEST_WAIT (120 s): Busy is raised at once. A call whose connection broke is sent
        once more, a calibration never.

    Raises
    ------
    ValueError
        The address is no http or https URL.

    Notes
    -----
    Every call raises Rejected, Busy, Unreachable or ServiceFault, all of them ServiceError; and before anything is sent
    ValueError for an answer with neither a mark nor a score, or with a value that is neither.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 60.0, retries: int = 3) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ValueError(f"{url!r} is no http:// or https:// address")
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._token = token
        self._retry = BoundedRetry(
            total=retries,
            read=False,  # a reply that broke off or takes too long: raised as it is
            other=0,
            redirect=0,
            status_forcelist=[503],
            allowed_methods=None,
            backoff_factor=0.5,
            raise_on_status=False,
        )
        self._of_thread = threading.local()
        # Weak: the connections of a thread that ended are closed with it.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._sessions:
            self._sessions.pop().close()
        self._of_thread = threading.local()

    def health(self) -> Health:
        """Ask which service answers, in which version."""
        reply = self._call("GET", "/healthz")
        return made(lambda: Health(**{name: reply[name] for name in ("status", "service", "version", "time")}))

    def calibrate(
        self,
        observations: Sequence[Observation] | None = None,
        *,
        rows: Rows | None = None,
        item_ids: Sequence[str] | None = None,
        model: str | Models = "2PL",
        anchors: Sequence[Anchor] = (),
        linking_method: str = "stocking_lord",
    ) -> Calibration:
        """Calibrate items and estimate abilities.

        Parameters
        ----------
        observations : sequence of Observation
            An entry for each answer. Or `rows`: a row for each person with True, False, an integer score or None for each
            item, whose ids are `item_ids` (I1, I2, … without).
        model : {"Rasch", "2PL", "3PL"} or Models
            Of the items that are right or wrong; `Models` chooses that of items with partial credit, too, a GRM by default.
        anchors : sequence of Anchor
        linking_method : str
            stocking_lord, haebara, mean_sigma, mean_mean, fixed or none.

        Returns
        -------
        Calibration
        """
        body: dict[str, Any] = {**models_json(model), "linking_method": linking_method}
        if observations is not None:
            body["observations"] = [observation_json(each) for each in observations]
        if rows is not None:
            body["responses"] = rows_json(rows)
        if item_ids is not None:
            body["item_ids"] = list(item_ids)
        if anchors:
            body["anchors"] = [anchor_json(each) for each in anchors]
        reply = self._call("POST", CALIBRATE, body)
        return made(lambda: calibration(reply))

    def score_rows(self, items: Sequence[KnownItem], rows: Rows) -> list[Ability]:
        """Estimate the ability of a person for each row, under N(0, 1).

        rows: a mark or score for each item, None for no answer.
        """
        body = {"item_params": [item_json(each) for each in items], "responses": rows_json(rows)}
        reply = self._call("POST", "/irt/score", body)
        return made(lambda: [Ability(theta=each["theta"], se=each["se"]) for each in reply["abilities"]])

    def score(self, items: Sequence[KnownItem], answers: Sequence[Answer]) -> PersonAbility:
        """Estimate the ability of one person under N(0, 1), from answers to some of the items."""
        reply = self._call("POST", "/irt/score", person_json(items, answers))
        return made(lambda: person_ability(reply))

    def update(
        self,
        items: Sequence[KnownItem],
        answers: Sequence[Answer],
        *,
        prior: Prior | None = None,
        population: Population | None = None,
    ) -> PersonAbility:
        """Update the ability of one person after a session.

        Parameters
        ----------
        items : sequence of Item or FittedItem
        answers : sequence of Answer
            Of the session.
        prior : Prior, optional
            The nightly row of the student. Without it `population`, by default N(0, 1).

        Returns
        -------
        PersonAbility
            The posterior; the prior's own values where no answer could be scored.
        """
        body = person_json(items, answers)
        if prior is not None:
            body["prior"] = {"theta": prior.theta, "se": prior.se}
        if population is not None:
            body["population"] = {"mean": population.mean, "sd": population.sd}
        reply = self._call("POST", "/irt/update", body)
        return made(lambda: person_ability(reply))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            reply = self._reply(method, path, body)
        except requests.exceptions.InvalidJSONError as error:
            raise ValueError(f"what is sent holds a number that JSON has not: {error}") from None
        except requests.RequestException as error:
            raise Unreachable(f"{self.url} gives no reply: {_reason(error)}") from None
        if reply.status_code == 200:
            return json_object(reply)
        message = error_message(reply)
        if wait := too_long_a_wait(reply):
            message += f". Its Retry-After is {wait:.0f} s, and a call waits {LONGEST_WAIT:.0f} s at most"
        if reply.status_code == 503:
            raise Busy(message)
        if 400 <= reply.status_code < 500:
            raise Rejected(reply.status_code, message)
        raise ServiceFault(f"{self.url + path} answered {reply.status_code}: {message}")

    def _reply(self, method: str, path: str, body: Mapping[str, Any] | None) -> requests.Response:
        def send() -> requests.Response:
            return self._session.request(
                method,
                self.url + path,
                json=body,
                timeout=(min(CONNECT_SECONDS, self.timeout), self.timeout),
                allow_redirects=False,  # a POST would become a GET, and the token go elsewhere
            )

        try:
            return send()
        except requests.ConnectionError as error:
            # An idle connection that the service closed just now. A calibration might have begun, and is not paid for twice.
            if path == CALIBRATE or not isinstance(error.args[0], ProtocolError):
                raise
            return send()

    @property
    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = requests.Session()
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=self._retry))
            if self._token:
                session.auth = self._with_token
            self._of_thread.session = session
            self._sessions.add(session)
        return session

    def _with_token(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send the token in UTF-8, as the service reads it; as `auth`, so that no .netrc replaces it."""
        request.headers["Authorization"] = f"Bearer {self._token}".encode()  # type: ignore[assignment]
        return request


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
