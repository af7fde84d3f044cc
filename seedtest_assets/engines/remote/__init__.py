"""Calibrate through an IRT service over HTTP."""
