"""Trainings are started by command, never imported: check a student's configuration, or train it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from pipeline.config_files import ConfigError

DISTILL: Final = Path(__file__).parents[1] / "training" / "distill.py"
# A training must not outlive the command that started it, or the same command would find its folder locked. The kernel
# keeps the wish over exec; 1 is PR_SET_PDEATHSIG.
_WITH_PARENT: Final = (
    "import ctypes, os, signal, sys\n"
    "sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
    "os.execvp(sys.argv[1], sys.argv[1:])\n"
)


def check_student(content: Mapping[str, Any], name: str) -> None:
    """Have the training check a student's configuration; `name` stands before the mistake. Raises ConfigError."""
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "student.yaml"
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "training.check_config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(done.stderr.strip().replace(f"{path}: ", name))


def start_training(config: Path, launcher: Sequence[str] = ()) -> int:
    """Run training/distill.py to its end, on this terminal; returns its exit status. It ends when this process does."""
    command = [*(launcher or (sys.executable,)), str(DISTILL), "--config", str(config)]
    return subprocess.run([sys.executable, "-c", _WITH_PARENT, *command], check=False).returncode
