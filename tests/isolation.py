"""Whether this machine can confine programs, told by the kernel's version and not by the code under test."""

from importlib import import_module

import pytest


def _kernel_isolates() -> bool:
    try:
        sandlock = import_module("sandlock")
    except (ImportError, OSError, RuntimeError):
        return False
    return bool(sandlock.landlock_abi_version() >= sandlock.min_landlock_abi())


needs_isolation = pytest.mark.skipif(not _kernel_isolates(), reason="no sandlock, or a kernel without Landlock")
