"""A build on a disk of its own that is too small, and grows whenever the build has failed; in a mount namespace.

    unshare -m python -m tests.chaos.small_disk CONFIG MOUNT COPY

The configuration's runs_folder is MOUNT. Prints what each attempt ended with as JSON, and copies the run to COPY.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

FIRST_KILOBYTES: Final = 96
GROWTH: Final = 1.4
MOST_ATTEMPTS: Final = 20


def namespace(folder: Path) -> list[str] | None:
    """Return the command prefix with which a tmpfs can be mounted here, or None where the kernel allows none."""
    for prefix in (["unshare", "-m"], ["unshare", "-Urm"]):
        command = [*prefix, "mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
        if shutil.which("unshare") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return prefix
    return None


def main(config: str, mount: str, copy: str) -> None:
    kilobytes, attempts = float(FIRST_KILOBYTES), []
    for attempt in range(MOST_ATTEMPTS):
        how = f"{'remount,' if attempt else ''}size={int(kilobytes)}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", how, "none", mount], check=True)
        command = [sys.executable, "-m", "tests.chaos.driver", config]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        attempts.append({"code": done.returncode, "said": done.stderr.strip().splitlines()[-1:]})
        if done.returncode == 0:
            break
        kilobytes *= GROWTH
    shutil.copytree(mount, copy, dirs_exist_ok=True)
    print(json.dumps(attempts))


if __name__ == "__main__":
    main(*sys.argv[1:])
