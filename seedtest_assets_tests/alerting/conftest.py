"""The other end of an alert."""

import pytest

from seedtest_assets_tests.alerting.receivers import Webhook


@pytest.fixture
def webhook():
    """A webhook that listens as long as the test runs."""
    hook = Webhook()
    yield hook
    hook.close()
