"""Errors of a call to the service."""


class ServiceError(Exception):
    """A call that gave no result; the base of the others. Its text is one line, the service's own where there is one."""


class Rejected(ServiceError):
    """The service refused the request: it is wrong, too large, or its token is. Sending it again does not help.

    status: the HTTP status, such as 400, 401 or 413.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Busy(ServiceError):
    """The service has no free place, also after the retries."""


class Unreachable(ServiceError):
    """No connection, a connection that broke, or no complete reply within the timeout."""


class ServiceFault(ServiceError):
    """The service failed, or answered something that is no reply of this service."""
