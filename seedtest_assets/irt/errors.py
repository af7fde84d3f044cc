"""What the engine refuses."""


class DataError(ValueError):
    """Data or parameters that cannot be calibrated, linked or scored; the message is one line that names the way
    out."""
