"""Keys of incidents, for those who look one up."""

from seedtest_assets.checks.catalogue import PUBLISHED


def check_key(asset: str, check: str, partition: str) -> str:
    """Give the key of the incident of a check that did not pass."""
    if check == PUBLISHED.name:
        partition = ""  # of what readers see now: one incident over all nights while publishing is pinned
    return f"check {asset} {check} {partition}".strip()
