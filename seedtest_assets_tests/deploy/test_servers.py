"""Servers without Kubernetes: the units of systemd and the site of nginx, as their own programs read them."""

import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from seedtest_assets.cli.app import app
from seedtest_assets_tests.conftest import ROOT

SYSTEMD, SITE = ROOT / "deploy/systemd", ROOT / "deploy/nginx/seedtest.conf"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
needs_nginx = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")


@pytest.fixture
def units(tmp_path):
    """The units with the paths of this installation, so that their programs exist."""
    folder = tmp_path / "school"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    return folder / "systemd"


def analyze(units, *arguments) -> subprocess.CompletedProcess:
    environment = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0"}
    return subprocess.run(["systemd-analyze", *arguments], env=environment, capture_output=True, text=True)


@needs_systemd
def test_systemd_reads_every_unit_without_a_complaint(units):
    names = sorted(str(path) for path in units.iterdir() if path.suffix in (".service", ".timer"))
    assert len(names) >= 7
    done = analyze(units, "verify", "--man=no", *names)
    complaints = [line for line in done.stderr.splitlines() if str(units) in line or "seedtest" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


@needs_systemd
def test_every_service_is_hardened(units):
    services = sorted(path.name for path in units.glob("*.service"))
    for name in services:
        done = analyze(units, "security", "--offline=true", "--no-pager", str(units / name))
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        assert exposure, done.stderr
        assert float(exposure[1]) < 3, done.stdout
        for line in done.stdout.splitlines():
            if re.search(
                r"NoNewPrivileges=|ProtectSystem=|User=/DynamicUser=|CapabilityBoundingSet=~CAP_SYS_ADMIN", line
            ):
                assert "✗" not in line, f"{name}: {line}"


def test_the_check_from_outside_runs_every_hour():
    assert "OnCalendar=hourly" in (SYSTEMD / "seedtest-alert-check.timer").read_text()


@pytest.fixture
def site(tmp_path):
    """A configuration that includes the site, with a certificate of its own and ports that an ordinary user may take."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=seedtest.example",
            "-keyout",
            "privkey.pem",
            "-out",
            "fullchain.pem",
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (tmp_path / "seedtest.passwords").write_text("me:{PLAIN}secret\n")
    text = SITE.read_text().replace("/etc/letsencrypt/live/seedtest.example", str(tmp_path))
    (tmp_path / "site.conf").write_text(text.replace("/etc/nginx", str(tmp_path)))
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {tmp_path}/site.conf;\n}}\n"
    )
    return tmp_path / "nginx.conf"


@needs_nginx
def test_nginx_reads_the_site_without_a_complaint(site):
    done = subprocess.run(["nginx", "-t", "-q", "-c", site], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
