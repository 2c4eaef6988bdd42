"""The kernels of these tests run side by side."""

from tests import over_files  # noqa: F401
