"""What runs in full only where there is time for it: `make test-long`."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("NBSTREAM_LONG") == "1"

# Of variants that differ little, the short run has the likelier one.
only_long = pytest.mark.skipif(not LONG, reason="takes its time: NBSTREAM_LONG=1")
