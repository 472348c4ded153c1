"""What this process has taken of memory."""

from __future__ import annotations

import sys


def peak_mib() -> float:
    """The largest resident set of this process so far, in MiB (getrusage: KiB on Linux, bytes on macOS); 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
