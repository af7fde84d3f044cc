"""The server of reports: the pages of the lake, and nothing else, to this machine."""

import socket

import pytest
import requests

from seedtest_assets.errors import SettingsError
from seedtest_assets.report.server import HEADERS, listen, serving_reports


@pytest.fixture
def lake(tmp_path):
    page = tmp_path / "lake/reports/date=2025-03-09/calibration.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html><p>문항</p>", encoding="utf-8")
    (tmp_path / "lake/secret.html").write_text("not a report")
    (page.parent / "outside.html").symlink_to(tmp_path / "lake/secret.html")
    return tmp_path / "lake"


@pytest.fixture
def address(lake):
    with serving_reports(lake / "reports", 0) as address:
        yield address


def test_a_page_comes_with_headers_that_let_it_load_and_send_nothing(address):
    answer = requests.get(f"{address}/date=2025-03-09/calibration.html", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content.decode() == "<!doctype html><p>문항</p>"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_the_first_page_lists_the_reports(address):
    assert (
        '<a href="date=2025-03-09/calibration.html">2025-03-09: calibration</a>'
        in requests.get(address, timeout=30).text
    )


def test_the_first_page_of_an_empty_lake_says_what_makes_a_report(tmp_path):
    with serving_reports(tmp_path, 0) as address:
        assert "seedtest run" in requests.get(address, timeout=30).text
        assert requests.get(f"{address}/date=2025-03-09/calibration.html", timeout=30).status_code == 404


@pytest.mark.parametrize("path", ["/../secret.html", "/%2e%2e/secret.html", "/date=2025-03-09/outside.html"])
def test_nothing_outside_the_reports_is_served(address, path):
    request = requests.Request("GET", address).prepare()
    request.url = address + path  # as it stands: requests itself would tidy it
    assert requests.Session().send(request, timeout=30).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_takes_nothing(address, lake, method):
    answer = requests.request(method, f"{address}/date=2025-03-09/calibration.html", data="x", timeout=30)
    assert answer.status_code == 405
    assert (lake / "reports/date=2025-03-09/calibration.html").exists()


def test_a_name_that_is_not_of_this_machine_gets_nothing(address):
    answer = requests.get(f"{address}/date=2025-03-09/calibration.html", headers={"Host": "evil.example"}, timeout=30)
    assert answer.status_code == 400


def test_a_taken_port_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                SettingsError, match=f"port {port}: Address already in use. Choose another with --reports-port"
            ),
            serving_reports("unused", port),
        ):
            pass


@pytest.mark.parametrize("host", ["::1", "192.0.2.1"])
def test_an_address_that_is_not_of_this_machine_is_named_and_no_other_port_advised(host):
    with pytest.raises(SettingsError, match=f"cannot listen on {host}, which is no IPv4 address of this machine"):
        listen(0, "--port", host)
