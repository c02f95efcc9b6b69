"""Run an untrusted Python program under kernel isolation, or not at all.

What it protects against. Landlock and seccomp (through sandlock) hold the program from its first instruction: no
network of any kind, no reading outside the system's folders and the interpreter's own, no writing outside a
throw-away folder, no signals to or tracing of other processes, no privileged calls, an empty environment, no inherited
file descriptor, no second process, and another user id than root where the kernel maps one. Its time, memory (address
space), open files, the size of each file and of all files together are bounded. The clock of a program runs while it
computes or sleeps and stands while it waits for a processor or a disk, so that a busy machine changes no verdict; a
hard limit on the wall clock, PATIENCE times as long, ends it whatever it does. When `run_python`
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
import select
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
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

NOBODY: Final = 65534
READABLE: Final = ("/usr", "/lib", "/lib64", "/bin", "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/proc/self")
MEMORY_FOLDER: Final = Path("/dev/shm")  # noqa: S108
MEMORY_FREE: Final = 1 << 30
START_ATTEMPTS: Final = 5
TICK: Final = 0.02
PATIENCE: Final = 10
MAX_THREADS_LOOKED_AT: Final = 64
Ending = Literal["exited", "crashed", "out of time", "over a limit"]


class SandboxUnavailable(Exception):
    """This machine offers no isolation, or the sandbox did not start. The program was not run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: seconds of its own (computing or asleep), bytes, open files, further readable paths."""

    seconds: float = 5.0
    memory: int = 1 << 30
    open_files: int = 32
    file_size: int = 8 << 20
    disk: int = 64 << 20
    readable: tuple[str, ...] = ()


class Run(NamedTuple):
    """How a program ended, after how many seconds of its own, and its standard output; `truncated`: there was more."""

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
_sandlock_calls = threading.RLock()  # a fork in the middle of one would leave sandlock's own locks taken in the child


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
            ending, seconds = _ended(_box(folder, limits, uid), _command(folder, limits), limits.seconds)
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
        fs_readable=[*(p for p in READABLE if Path(p).exists()), libraries, str(folder / "stdin"), *limits.readable],
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
    return _started(box, command, sandlock.StdioMode.PIPED)


def _started(box: Any, command: Sequence[str], stream: Any) -> Any:
    """Start a program; `stream` says what its standard input and output are. Raises SandboxUnavailable.

    sandlock 0.9 takes a lock of the whole machine to start one, and gives up after two seconds: where a process that
    holds it waits for a processor, the next attempt succeeds.
    """
    sandlock = _sandlock()
    warnings.filterwarnings("ignore", "Policy field 'gid'", UserWarning)  # it warns of no effect, and uses it
    failure: Exception | None = None
    for _ in range(START_ATTEMPTS):
        try:
            with _sandlock_calls:
                return box.popen(list(command), stdin=stream, stdout=stream, stderr=sandlock.StdioMode.NULL)
        except (sandlock.SandlockError, RuntimeError, ValueError, OSError) as error:
            failure = error
    raise SandboxUnavailable(f"the sandbox did not start: {failure}") from failure


def _ended(box: Any, command: list[str], seconds: float) -> tuple[Ending, float]:
    """Run a command to its end, which comes at its limit of time at the latest. Returns also its own seconds."""
    sandlock = _sandlock()
    with _started(box, command, sandlock.StdioMode.NULL) as process:
        taken, over = _watched(process.pid, seconds)
        if over:
            process.kill()
        with _sandlock_calls:
            result = process.wait()
    if result.error is not None:
        raise SandboxUnavailable(f"the sandbox did not work: {result.error}")
    if over or (result.reason == sandlock.ExitReason.SIGNALED and result.signal == signal.SIGXCPU):
        return "out of time", taken
    if result.reason == sandlock.ExitReason.SIGNALED:
        return "crashed", taken
    return "over a limit" if result.reason == sandlock.ExitReason.KILLED else "exited", taken


def _watched(pid: int, seconds: float) -> tuple[float, bool]:
    """Wait until a process ends or its time is over. Returns the seconds of its own, and whether they are too many.

    A tick counts in full where the process slept; where it could run, or waited for sandlock in this process to serve
    its system call, what it ran counts. Of a late tick, which tells of a busy machine, the excess does not count.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended already
        return 0.0, False
    try:
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        started = last = time.monotonic()
        own = ran = 0.0
        while not ended.poll(TICK * 1000):
            now, run = time.monotonic(), max(processor_seconds(pid), ran)
            own += max(run - ran, 0.0 if _is_held_up(pid) else min(now - last, 2 * TICK))
            last, ran = now, run
            if own >= seconds or now - started >= PATIENCE * seconds:
                return own, True
        return own + min(time.monotonic() - last, 2 * TICK), False
    finally:
        os.close(handle)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and all its threads have had (clock_getcpuclockid); 0 if it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _is_held_up(pid: int) -> bool:
    """Tell whether a thread of a process runs, or waits for a processor, a disk, or its supervisor."""
    try:
        for thread in islice(Path(f"/proc/{pid}/task").iterdir(), MAX_THREADS_LOOKED_AT):
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            if state in "RD" or (thread / "wchan").read_text().startswith("seccomp"):
                return True
    except OSError:  # it is gone, or cannot be looked at: then all of its time counts
        return False
    return False


def _after_fork() -> None:
    """A forked child must not wait for slots that its parent's threads held."""
    global _slots  # noqa: PLW0603
    _slots = threading.BoundedSemaphore(os.cpu_count() or 1)
    _sandlock_calls.release()


os.register_at_fork(before=_sandlock_calls.acquire, after_in_parent=_sandlock_calls.release, after_in_child=_after_fork)
