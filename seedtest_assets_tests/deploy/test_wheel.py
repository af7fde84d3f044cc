"""The wheel holds all that the package needs: SQL, migrations, the service's pages, its types."""

import subprocess
import sys
import zipfile
from pathlib import Path

from seedtest_assets_tests.conftest import ROOT


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(tmp_path):
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run(
        [hatchling, "build", "--target", "wheel", "--directory", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (
        file for file in (ROOT / "seedtest_assets").rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )
    assert packed == {file.relative_to(ROOT).as_posix() for file in files}
