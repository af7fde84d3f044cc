"""What is shown of a database's address, and which addresses are refused: no part of a password is ever repeated."""

import pytest

from seedtest_assets.errors import SettingsError
from seedtest_assets.storage.addresses import WAITING_LIMITS, connection_string, shown_address, url_with_limits


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/school", "postgresql://me@db.example:5433/school"),
        ("postgres://db.example/school?user=me&password=secret", "postgresql://me@db.example/school"),
        ("postgresql+psycopg2://me:secret@db.example/school?sslpassword=secret&sslkey=/secret", None),
        ("postgresql://me:sec%40ret%2F@db.example/school", "postgresql://me@db.example/school"),
        ("postgresql://me:sec?ret#secret:@db.example/school", "postgresql://me@db.example/school"),
        ("postgresql://me:secret@a.example:1,b.example:2/school", "postgresql://me@a.example:1,b.example:2/school"),
        ("postgresql://me:secret@/school?host=a.example,b.example&port=1", "postgresql://me@a.example:1,b.example:1/school"),
        ("postgresql://me:secret@[::1]:5433/school", "postgresql://me@[::1]:5433/school"),
        ("postgresql://me:secret@/school?host=/run/postgresql", "postgresql://me@/school?host=/run/postgresql"),
        ("postgresql:///school", "postgresql:///school"),
    ],
)  # fmt: skip
def test_user_hosts_ports_and_database_are_shown_and_nothing_else(url, shown):
    assert shown_address(url) == (shown or "postgresql://me@db.example/school")


@pytest.mark.parametrize(
    "url",
    [
        "host=db.example password=secret",
        "mysql://me:secret@db.example/school",
        "postgresql://me:sec@secret@db.example/school",
        "postgresql://me:sec/secret@db.example/school",
        "postgresql://me:1/secret@db.example/school",
        "postgresql://me:secret@db.example:secret/school",
        "postgresql://me:secret@[::1/school",
        "postgresql://me:secret@db.example/school?nonsense=secret",
        "postgresql://me:secret@/school?host=a.example,b.example&port=1,2,3",
        "postgresql://me:sec%zzsecret@db.example/school",
    ],
)
@pytest.mark.parametrize("read", [shown_address, connection_string, url_with_limits])
def test_an_address_that_libpq_would_read_another_way_is_refused_and_not_repeated(url, read):
    with pytest.raises(
        SettingsError, match=r"^THE_VARIABLE is not allowed: .* Write postgresql://user:password@"
    ) as raised:
        read(url, "THE_VARIABLE")
    assert "sec" not in str(raised.value)


def test_a_connection_has_limits_of_waiting_unless_the_address_has_its_own():
    own = "postgresql://me:secret@db.example/school?connect_timeout=3"
    for text in (connection_string(own), url_with_limits(own, "DATABASE_URL")):
        assert "connect_timeout=3" in text
        assert "connect_timeout=10" not in text
        assert "tcp_user_timeout=60000" in text
        assert "keepalives_count=3" in text
    complete = url_with_limits("postgresql:///school", "DATABASE_URL")
    assert all(f"{name}={value}" in complete for name, value in WAITING_LIMITS.items())
    assert url_with_limits(complete, "DATABASE_URL") == complete
