"""Write the tables of the documentation that the code can give: `make tables`, or `python docs/tables.py`."""

from pathlib import Path

from seedtest_assets.thresholds import Thresholds

PAGE = Path(__file__).parent / "checks.md"
START = "<!-- The limits: written by `make tables` from seedtest_assets/thresholds.py -->\n"
END = "<!-- end of the limits -->\n"


def thresholds_table() -> str:
    """Lay out the checks' limits: variable, default, meaning."""
    rows = [
        f"| `{str(field.validation_alias).upper()}` | {field.default} | {field.description} |"
        for field in Thresholds.model_fields.values()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])


def with_tables(page: str) -> str:
    """Replace what stands between the two marks of a page."""
    before, rest = page.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{thresholds_table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
