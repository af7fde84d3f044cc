"""What takes the place of reports and pictures in nights of tests that look at neither: two thirds of a small night.

In the process of the tests fixtures put it there; in processes that they start, whose path begins here, sitecustomize.py does.
"""

from pathlib import Path

FOLDER = Path(__file__).parent


class _Nothing:
    """Every attribute of it and every call, so that nothing is drawn."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self, *arguments: object, **named: object) -> "_Nothing":
        return self


REPORT = {"seedtest_assets.report.page": {"calibration_page": lambda *data: "<!doctype html>"}}
PICTURES = {
    "seedtest_assets.report.pictures": {
        "_figure": lambda **size: (_Nothing(), _Nothing()),
        "_png": lambda figure: b"\x89PNG",
    }
}
"""{module: {name of a function: what takes its place}}"""
