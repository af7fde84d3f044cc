"""Addresses of PostgreSQL databases: how libpq reads them, what of them may be shown, how long their connections wait."""

from urllib.parse import urlencode

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from seedtest_assets.errors import SettingsError

WAITING_LIMITS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Parameters of libpq, with which a silent network ends a connection after a minute: seconds, and milliseconds the last.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""


def connection_string(url: str, variable: str = "DATABASE_URL") -> str:
    """Give libpq's key=value form of a URL, with WAITING_LIMITS where the URL has none of its own.

    Raises SettingsError naming the variable, never the address, for one that libpq would not read as it is meant.
    """
    return make_dsn(**(WAITING_LIMITS | _parameters(url, variable)))


def url_with_limits(url: str, variable: str) -> str:
    """Give a URL with WAITING_LIMITS where it has none of its own, for what takes no key=value form."""
    given = _parameters(url, variable)
    missing = {name: value for name, value in WAITING_LIMITS.items() if name not in given}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(missing)}" if missing else url


def shown_address(url: str, variable: str = "DATABASE_URL") -> str:
    """Give the URL with user, hosts, ports and database only: whatever else it has may be a secret."""
    given = _parameters(url, variable)
    user = f"{given['user']}@" if "user" in given else ""
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if hosts[0].startswith("/"):
        return f"postgresql://{user}/{given.get('dbname', '')}?host={hosts[0]}"
    ports *= len(hosts) if len(ports) == 1 else 1
    hosts = [f"[{host}]" if ":" in host else host for host in hosts]
    places = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))
    return f"postgresql://{user}{places}/{given.get('dbname', '')}"


def _parameters(url: str, variable: str) -> dict[str, str]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres", "postgresql+psycopg2"):
        raise _unreadable(variable, "it is not a PostgreSQL URL")
    # libpq ends the password at the first @ or /, and would take the rest of it for the name of a host or database.
    authority, _, path = rest.partition("/")
    if authority.count("@") > 1 or "@" in path.partition("?")[0]:
        raise _unreadable(variable, "it has more than one @ or a / before it")
    try:
        given = parse_dsn(f"postgresql://{rest}")
    except psycopg2.ProgrammingError:
        raise _unreadable(variable, "PostgreSQL cannot read it") from None
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if len(ports) not in (1, len(hosts)) or not all(not port or port.isdecimal() for port in ports):
        raise _unreadable(variable, "its port is not a number")
    return given


def _unreadable(variable: str, reason: str) -> SettingsError:
    # Not repeated in the message: it may hold a password where none is looked for.
    return SettingsError(
        f"{variable} is not allowed: {reason}. Write postgresql://user:password@host:5432/name, "
        "and in the password %40 for @, %2F for /, %3A for :"
    )
