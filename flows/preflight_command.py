"""`gradatim preflight`: the checks that a training script makes first, alone. Started by command, like a training."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def preflight(config: Path, overrides: Sequence[str] = ()) -> int:
    """Check what a configuration of any kind would train on. Returns the exit status: 2 for a bad configuration, 1 for
    rows that are unfit to train on."""
    changes = ["--set", *overrides] if overrides else []
    command = [sys.executable, "-m", "training.preflight_command", "--config", str(config), *changes]
    return subprocess.run(command, check=False).returncode
