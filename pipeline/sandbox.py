"""Run an untrusted Python program under kernel isolation, or not at all.

What it protects against. Landlock and seccomp (through sandlock) hold the program from its first instruction: no
network of any kind, no reading outside the system's folders and the interpreter's own, no writing outside a
throw-away folder, no signals to or tracing of other processes, no privileged calls, an empty environment, no inherited
file descriptor, no second process, and another user id than root where the kernel maps one. Wall time, processor time,
memory (address space), open files, the size of each file and of all files together are bounded. When `run_python`
returns, the program is gone and its folder is removed; when the caller is killed, the program ends with it (its folder
stays in the temporary directory). What the program writes is read through a descriptor that was opened
before it started, so replacing the file by a link or a pipe achieves nothing, and never more than `max_output` bytes.

What it does not protect against. A hole in the kernel or in sandlock; timing and other side channels; reading what
every user may read in /usr, /lib and the interpreter's folder (keep no secret there); load within the limits.
Files that are unlinked while open escape the disk quota, up to open files x file size. Output and exit status are the
program's own words: they prove nothing about it (pipeline/verifiers/program.py compares outside).

Where the kernel, the platform or the installation offers no such isolation, a probe finds out before the first run and
`SandboxUnavailable` says why: no program is ever run without it.
"""

import math
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

NOBODY: Final = 65534
READABLE: Final = ("/usr", "/lib", "/lib64", "/bin", "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/proc/self")
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108
MEMORY_FREE: Final = 1 << 30
Ending = Literal["exited", "crashed", "out of time", "over a limit"]


class SandboxUnavailable(Exception):
    """This machine offers no isolation, or the sandbox did not start. The program was not run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: seconds of wall and processor time, bytes, and files open at once."""

    seconds: float = 5.0
    memory: int = 1 << 30
    open_files: int = 32
    file_size: int = 8 << 20
    disk: int = 64 << 20


class Run(NamedTuple):
    """How a program ended, after how long, and what it wrote to standard output; `truncated` says there was more."""

    ending: Ending
    seconds: float
    output: bytes
    truncated: bool


_LAUNCH: Final = """
import os, resource, sys
_, stdin, stdout, cpu, file_size = sys.argv
for name, value in (("CPU", cpu), ("FSIZE", file_size), ("CORE", 0)):
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (int(value), int(value)))
for number, (path, flags) in enumerate(((stdin, os.O_RDONLY), (stdout, os.O_WRONLY), (os.devnull, os.O_WRONLY))):
    os.dup2(os.open(path, flags), number)
os.closerange(3, 16)
sys.set_int_max_str_digits(0)
sys.argv = ["main.py"]
with open("main.py", "rb") as file:
    source = file.read()
del os, resource, _, stdin, stdout, cpu, file_size, name, value, number, path, flags, file
__file__ = "main.py"
exec(compile(source, "main.py", "exec"), sys.modules["__main__"].__dict__)
"""

_PROBE: Final = """
import os, socket, sys
def refused(act):
    try:
        act()
    except (PermissionError, BlockingIOError):
        return True
    except OSError:
        return False
    return False
def connect():
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("127.0.0.1", 9))
def fork():
    if os.fork() == 0:
        os._exit(0)
open("inside", "w").close()
checks = {
    "network": connect,
    "reading": lambda: open("/etc/passwd").close(),
    "writing": lambda: open(sys.stdin.read(), "w").close(),
    "signals": lambda: os.kill(os.getppid(), 0),
    "processes": fork,
}
print(*[name for name, act in checks.items() if not refused(act)], end="isolated")
"""

_slots = threading.BoundedSemaphore(os.cpu_count() or 1)


def run_python(
    source: str,
    *,
    stdin: bytes = b"",
    files: Mapping[str, bytes] | None = None,
    limits: Limits = Limits(),
    max_output: int = 1 << 20,
) -> Run:
    """Run Python source as a script in a fresh folder that holds `files`; only the standard library can be imported.

    At most one program per core runs at a time; the clock starts when it does. Raises SandboxUnavailable.
    """
    uid = available()
    with _slots:
        return _run(
            {**(files or {}), "main.py": source.encode("utf-8", "surrogatepass")}, stdin, limits, max_output, uid
        )


@lru_cache(maxsize=1)
def available() -> int | None:
    """Probe the isolation once in this process. Returns the user id programs get (None: the caller's own).

    Raises SandboxUnavailable with the reason if a program could reach the network, other files or other processes.
    """
    failure = "nothing was tried"
    for uid in (NOBODY, None):
        with tempfile.TemporaryDirectory(prefix="gradatim-probe-") as outside:
            canary = os.fsencode(Path(outside) / "canary")
            try:
                run = _run({"main.py": _PROBE.encode()}, canary, Limits(seconds=20), 1000, uid)
            except SandboxUnavailable as error:
                failure = str(error)
                continue
        open_ways = run.output.decode().removesuffix("isolated")
        if not run.output.endswith(b"isolated"):
            failure = f"the probe of the sandbox gave no result ({run.ending})"
        elif open_ways:
            failure = f"the kernel does not confine: {open_ways}"
        else:
            return uid
    raise SandboxUnavailable(failure)


def _run(files: Mapping[str, bytes], stdin: bytes, limits: Limits, max_output: int, uid: int | None) -> Run:
    """Prepare the folder (work/ for the program, its input and output beside it), run, and read the output."""
    with tempfile.TemporaryDirectory(prefix="gradatim-sandbox-", dir=_place(), ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        work, changes = folder / "work", folder / "changes"
        work.mkdir()
        changes.mkdir()
        for name, content in files.items():
            (work / name).write_bytes(content)
        (folder / "stdin").write_bytes(stdin)
        with (folder / "stdout").open("x+b") as output:
            box = _box(folder, limits, uid)
            started = time.monotonic()
            ending = _wait(box, _command(folder, limits), limits.seconds)
            seconds = time.monotonic() - started
            data = os.pread(output.fileno(), max_output + 1, 0)
    return Run(ending, seconds, data[:max_output], len(data) > max_output)


def _place() -> str | None:
    """Return where folders go: into memory where there is plenty (a busy disk costs 8 ms a run); None is TMPDIR's."""
    if "TMPDIR" in os.environ or not MEMORY_FOLDER.is_dir():
        return None
    space = os.statvfs(MEMORY_FOLDER)
    return str(MEMORY_FOLDER) if space.f_bavail * space.f_frsize >= MEMORY_FREE else None


def _command(folder: Path, limits: Limits) -> list[str]:
    cpu = math.ceil(limits.seconds) + 1
    values = [str(folder / "stdin"), str(folder / "stdout"), str(cpu), str(limits.file_size)]
    return [_interpreter(), "-I", "-S", "-B", "-c", _LAUNCH, *values]


def _interpreter() -> str:
    """Return the interpreter itself, not the link a virtual environment makes to it."""
    return os.path.realpath(sys.executable)


def _sandlock() -> Any:
    try:
        return import_module("sandlock")
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxUnavailable(f"programs run only on Linux with sandlock installed ({error})") from error


def _box(folder: Path, limits: Limits, uid: int | None) -> Any:
    sandlock = _sandlock()
    work = str(folder / "work")
    libraries = str(Path(_interpreter()).parent.parent)
    return sandlock.Sandbox(
        fs_readable=[*(p for p in READABLE if Path(p).exists()), libraries, str(folder / "stdin")],
        fs_writable=[work, str(folder / "stdout"), os.devnull],
        workdir=work,
        cwd=work,
        fs_storage=str(folder / "changes"),
        max_disk=limits.disk,
        on_exit=sandlock.BranchAction.ABORT,
        clean_env=True,
        env={"PATH": "/usr/bin:/bin", "HOME": work, "TMPDIR": work},
        max_memory=limits.memory,
        max_processes=1,  # a second one could outlive the program, or its caller
        max_open_files=limits.open_files,
        extra_deny_syscalls=["memfd_create"],
        no_coredump=True,
        uid=uid,
        gid=uid,
    )


def confined(command: Sequence[str], memory: int) -> Any:
    """Start a long-lived program of our own that handles untrusted text: no network, no writing, libraries readable.

    Returns sandlock's Process with `stdin` and `stdout` as pipes; it and its child end on its `__exit__`. There is no
    time limit: the caller kills. Raises SandboxUnavailable.
    """
    uid, sandlock = available(), _sandlock()
    libraries = {str(Path(_interpreter()).parent.parent), sys.prefix, sys.base_prefix}
    box = sandlock.Sandbox(
        fs_readable=[*(p for p in READABLE if Path(p).exists()), *libraries],
        fs_writable=[os.devnull],
        cwd="/usr",
        clean_env=True,
        env={"PATH": "/usr/bin:/bin"},
        max_memory=memory,
        max_processes=1,
        extra_deny_syscalls=["memfd_create"],
        no_coredump=True,
        uid=uid,
        gid=uid,
    )
    mode = sandlock.StdioMode
    _ignore_gid_warning()
    try:
        return box.popen(list(command), stdin=mode.PIPED, stdout=mode.PIPED, stderr=mode.NULL)
    except (sandlock.SandlockError, RuntimeError, ValueError, OSError) as error:
        raise SandboxUnavailable(f"the sandbox did not start: {error}") from error


def _ignore_gid_warning() -> None:
    """sandlock 0.9 warns that `gid` has no effect, and uses it."""
    warnings.filterwarnings("ignore", "Policy field 'gid'", UserWarning)


def _wait(box: Any, command: list[str], seconds: float) -> Ending:
    sandlock = _sandlock()
    _ignore_gid_warning()
    try:
        result = box.run(command, timeout=seconds)
    except (sandlock.SandlockError, RuntimeError, ValueError) as error:
        raise SandboxUnavailable(f"the sandbox did not start: {error}") from error
    if result.error is not None:
        raise SandboxUnavailable(f"the sandbox did not start: {result.error}")
    if result.reason == sandlock.ExitReason.TIMEOUT:
        return "out of time"
    if result.reason == sandlock.ExitReason.KILLED:
        return "over a limit"
    if result.reason == sandlock.ExitReason.SIGNALED:
        return "out of time" if result.signal == signal.SIGXCPU else "crashed"
    return "exited"


def _new_slots() -> None:
    """A forked child must not wait for slots that its parent's threads held."""
    global _slots  # noqa: PLW0603
    _slots = threading.BoundedSemaphore(os.cpu_count() or 1)


os.register_at_fork(after_in_child=_new_slots)
