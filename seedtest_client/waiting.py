"""How long a call waits before it is sent again."""

from typing import Any

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError
from urllib3.util import Retry

# Seconds. `seedtest serve` asks for 120 at most; a proxy in front of it may ask for hours.
LONGEST_WAIT = 120.0


class BoundedRetry(Retry):
    """Retries after the time that the reply asks for, its Retry-After; a reply that asks for more than LONGEST_WAIT is the last."""

    def get_retry_after(self, response: Any) -> float | None:
        """Read the seconds of Retry-After; None where there is none, or it is neither seconds nor a date."""
        try:
            return super().get_retry_after(response)
        except InvalidHeader:
            return None

    def increment(self, method: Any = None, url: Any = None, response: Any = None, *rest: Any, **more: Any) -> Any:
        """Count a retry. Raises MaxRetryError where no other may follow."""
        if response is not None and too_long_a_wait(response):
            raise MaxRetryError(more.get("_pool"), str(url), ResponseError("Retry-After"))  # type: ignore[arg-type]
        return super().increment(method, url, response, *rest, **more)


def too_long_a_wait(reply: requests.Response | Any) -> float | None:
    """Give the seconds of a Retry-After above LONGEST_WAIT; None for another reply."""
    seconds = BoundedRetry().get_retry_after(reply)
    return seconds if seconds is not None and seconds > LONGEST_WAIT else None
