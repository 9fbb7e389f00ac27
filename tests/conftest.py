"""Settings of the whole test run."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # several test processes share the processors
