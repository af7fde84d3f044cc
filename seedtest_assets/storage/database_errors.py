"""Errors of PostgreSQL and its two drivers, sorted by SQLSTATE: what may pass by itself, and what is refused.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import adbc_driver_manager as adbc
import sqlalchemy as sa

from seedtest_assets.errors import InputError, SeedtestError, TransientError, first_line

_MAY_PASS = {
    "08": ("lost the connection", "Check that the server runs"),
    "40": ("cannot run the statement beside another one", "Run it again"),
    "53": ("has too little of something", "See the server's log"),
    "53100": ("has no room left on its disk", "Make room there"),
    "53200": ("has no memory left", "See the server's log"),
    "53300": ("has no connection left", "Close some, or raise max_connections of the server"),
    "55P03": (
        "waited too long for a lock",
        "See in pg_stat_activity which session holds it, or raise SEEDTEST_LOCK_TIMEOUT_SECS",
    ),
    "57014": (
        "cancelled a statement",
        "See in pg_stat_activity what slows the server down, or raise SEEDTEST_STATEMENT_TIMEOUT_SECS",
    ),
    "57P": ("ended the connection", "Check that the server runs"),
    "58": ("cannot use its files", "See the server's log"),
}
"""What it means, and what to do, by how the SQLSTATE begins; the longest beginning counts."""


def translated(error: adbc.Error | sa.exc.DBAPIError, name: str, variable: str = "DATABASE_URL") -> SeedtestError:
    """Translate an error: TransientError for what may pass by itself, InputError for a refused connection or statement.

    name: of the database, for the message. variable: the setting with its address.
    """
    cause = error.orig or error if isinstance(error, sa.exc.DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""
    text = _reason(cause)
    beginnings = [beginning for beginning in _MAY_PASS if state.startswith(beginning)]
    if beginnings:
        what, advice = _MAY_PASS[max(beginnings, key=len)]
        return TransientError(f"{name} {what}: {text}. {advice}")
    if state.startswith(("28", "3D")) or (_no_answer(error, state) and _refused(text)):
        return InputError(f"{name} refuses the connection: {text}. Check {variable}")
    if _no_answer(error, state):
        return TransientError(f"{name} is out of reach: {text}. Check {variable} and that the server runs")
    return InputError(f"{name} refuses the statement: {text}")


def _no_answer(error: adbc.Error | sa.exc.DBAPIError, state: str) -> bool:
    """Tell whether the error is the driver's own, of a connection that is not there or no more."""
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    return not state and isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | adbc.OperationalError)


def _refused(text: str) -> bool:
    """Tell whether the server refused a connection for good: libpq gives no SQLSTATE before one is made."""
    return "authentication failed" in text or "does not exist" in text or "no pg_hba.conf entry" in text


def _reason(error: BaseException) -> str:
    """Extract the server's message, which ADBC puts after its own words and the whole statement."""
    text = str(error)
    for severity in ("ERROR:", "FATAL:"):
        if severity in text:
            return text.rsplit(severity, 1)[1].strip().splitlines()[0]
    return first_line(error).rpartition("[libpq] ")[2].removeprefix("Failed to connect: ")
