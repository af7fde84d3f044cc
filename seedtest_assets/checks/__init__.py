"""Asset checks: is what was made fit to be used?

thresholds.py has every limit; answers, calibration, scale, drift, prediction, tables and freshness judge plain numbers; specs.py and the
on_ modules are their side towards Dagster.
"""
