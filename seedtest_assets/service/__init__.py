"""The IRT service: calibration and scoring over HTTP, on the same psychometrics as the nightly run."""
