"""Asset checks: is what was made fit to be used?

To add a check: write its judgement in the module of its subject (`answers`, `soundness`, `drift`, `linking`, `ability_distribution`, `prediction`, `tables`,
`freshness`, `published`, `look_back`), list it in `catalogue.py`, and call it where its kind is judged: `calibration_checks.py` for checks of a
calibration, `dagster_checks.py` for all others. Limits are in `thresholds.py`. Only `dagster_checks.py` knows Dagster.
"""
