"""Errors for data that cannot be used."""


class DataError(ValueError):
    """The data or the arguments cannot be used; the message says what is wrong and what to change.

    Examples
    --------
    >>> from seedtest_assets import irt
    >>> irt.Responses.from_answers(person=[0], item=[0], score=[0.5])
    Traceback (most recent call last):
    ...
    seedtest_assets.irt.errors.DataError: row 0, item 0: the score is 0.5, but a score is 0 or 1, or an integer up to 19 where an item has partial credit. ...
    """
