"""One running service for all tests of the client."""

from seedtest_assets_tests.service.conftest import lsat7, service  # noqa: F401
