"""The sandbox: what a program cannot reach, what it may use, and that nothing runs without isolation."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import sandbox
from pipeline.sandbox import Limits, SandboxUnavailable, available, run_python
from pipeline.verifiers import judge
from tests.isolation import needs_isolation

ROOT = Path(__file__).parents[2]
pytestmark = needs_isolation


def tells(act: str, stdin: bytes = b"") -> str:
    """Run one expression in the sandbox; return the name of the error it raises, or "done"."""
    lines = ["import ctypes, os, socket, sys, urllib.request", "try:", f"    {act}", "    print('done')"]
    lines += ["except OSError as error:", "    print(type(error).__name__)"]
    return run_python("\n".join(lines), stdin=stdin, limits=Limits(seconds=20)).output.decode().strip()


FORBIDDEN = {
    "read a file of the system": "open('/etc/passwd').read()",
    "read a parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "list the processes": "os.listdir('/proc')",
    "list the temporary folder": "os.listdir('/tmp')",
    "list the folder above": "os.listdir('..')",
    "write over its input": "open('../stdin', 'w').write('x')",
    "make a file beside its folder": "open('../new', 'w').write('x')",
    "signal its parent": "os.kill(os.getppid(), 9)",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "listen": "socket.socket().bind(('127.0.0.1', 0))",
    "change the root folder": "os.chroot('.')",
    "make memory files": "os.memfd_create('x')",
}


@pytest.mark.parametrize("act", FORBIDDEN.values(), ids=FORBIDDEN)
def test_forbidden(act: str) -> None:
    assert tells(act) == "PermissionError"


def test_signals_to_everything_reach_nobody() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        tells("os.kill(-1, 9)")
        assert other.poll() is None
        other.kill()


def test_no_program_becomes_root() -> None:
    source = "import os\ntry: os.setuid(0)\nexcept OSError: print('refused')\nprint(os.getuid())"
    assert run_python(source).output == b"refused\n65534\n"


def test_the_network_is_closed_even_to_this_machine() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert tells(f"socket.create_connection(('127.0.0.1', {port}), 5)") == "PermissionError"


def test_local_sockets_of_the_machine_are_closed(tmp_path: Path) -> None:
    """Such as a container engine's: a file that may be connected to, or a name of the kernel's own."""
    for name in (f"{tmp_path}/s", f"\0gradatim-test-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
            server.listen()
            assert tells(f"socket.socket(socket.AF_UNIX).connect({name!r})") == "PermissionError"


def test_nothing_outside_the_folder_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / "canary"
    assert tells("open(sys.stdin.read(), 'w')", stdin=os.fsencode(target)) == "PermissionError"
    assert not target.exists()


def test_its_own_folder_can_be_used_and_is_gone_afterwards() -> None:
    source = "import os; open('b', 'w').write('x'); print(os.getcwd()); print(open('a').read() + open('b').read())"
    run = run_python(source, files={"a": b"given "})
    folder, text = run.output.decode().splitlines()
    assert text == "given x"
    assert not Path(folder).exists()
    assert not Path(folder).parent.exists()


def test_the_environment_and_the_descriptors_are_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TOKEN", "secret")
    leaked = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    source = (
        "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}), os.getuid() or 'root')\n"
        "def is_open(fd):\n  try: return bool(os.fstat(fd))\n  except OSError: return False\n"
        "print([fd for fd in range(64) if is_open(fd)])"
    )
    output = run_python(source).output.decode()
    os.close(leaked)
    assert output == f"['HOME', 'PATH', 'TMPDIR'] {available() or os.getuid() or 'root'}\n[0, 1, 2]\n"


USUAL = {
    "standard input as a file": "print(open('/dev/stdin').read())",
    "standard input by number": "print(open(0).read())",
    "a deep recursion in a big stack": (
        "import sys, threading\nsys.setrecursionlimit(10 ** 6)\nthreading.stack_size(512 << 20)\n"
        "def f(n): return 'given' if n == 0 else f(n - 1)\n"
        "t = threading.Thread(target=lambda: print(f(10 ** 5))); t.start(); t.join()"
    ),
    "an event loop": "import asyncio\nasync def f(): return input()\nprint(asyncio.run(f()))",
    "temporary files and a database": (
        "import sqlite3, tempfile\nwith tempfile.TemporaryFile('w+') as f: f.write(input()); f.seek(0); s = f.read()\n"
        "print(*sqlite3.connect(':memory:').execute('select ?', [s]).fetchone())"
    ),
    "big integers": "print(input() if len(str(10 ** 5000)) == 5001 else 0)",
}


@pytest.mark.parametrize("source", USUAL.values(), ids=USUAL)
def test_what_honest_programs_do_works(source: str) -> None:
    assert run_python(source, stdin=b"given\n", limits=Limits(seconds=20)).output.strip() == b"given"


LIMITED = {
    "memory at once": ("x = bytearray(2 << 30)", "over a limit"),
    "memory in steps": ("import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 64 << 20))", "over a limit"),
    "time, busy": ("while True: pass", "out of time"),
    "time, asleep": ("import time; time.sleep(60)", "out of time"),
    "signals ignored": (
        "import signal, time\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\ntime.sleep(60)",
        "out of time",
    ),
    "a crash": ("import ctypes; ctypes.string_at(0)", "crashed"),
    "an exception": ("1 / 0", "exited"),
    "a syntax error": ("def", "exited"),
    "an exit": ("import os; os._exit(7)", "exited"),
}


@pytest.mark.parametrize(("source", "ending"), LIMITED.values(), ids=LIMITED)
def test_endings(source: str, ending: str) -> None:
    start = time.monotonic()
    assert run_python(source, limits=Limits(seconds=1.5)).ending == ending
    assert time.monotonic() - start < 20


def test_sleeping_counts_as_time_of_the_program() -> None:
    assert 0.3 < run_python("import time; time.sleep(0.4)").seconds < 5


@pytest.mark.slow
def test_waiting_for_a_processor_does_not_count() -> None:
    busy = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(busy) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        started = time.monotonic()
        run = run_python("import time\nwhile time.process_time() < 0.6: pass", limits=Limits(seconds=1.5))
        taken = time.monotonic() - started
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert run.ending == "exited"
    assert 0.5 < run.seconds < 1.5 < taken  # or the machine was not busy enough to tell


def test_a_start_that_fails_is_tried_again() -> None:
    """sandlock gives up where another process holds its lock for two seconds."""

    class Box:
        starts = 0

        def popen(self, _command: list[str], **_streams: object) -> str:
            self.starts += 1
            if self.starts < 3:
                raise RuntimeError("sandlock_popen failed")
            return "started"

    box = Box()
    assert sandbox._started(box, ["true"], None) == "started"
    box.starts = -99
    with pytest.raises(SandboxUnavailable, match="popen failed"):
        sandbox._started(box, ["true"], None)


FORKS = ["os.fork()", "os.posix_spawn('/bin/true', ['true'], {})", "subprocess.run(['/bin/true'])"]
FORKS += [
    f"raise_error(ctypes.CDLL(None, use_errno=True).syscall(56, {flags}, 0, 0, 0, 0))" for flags in (17, 273, 32785)
]


@pytest.mark.parametrize("fork", FORKS)
def test_there_is_one_process(fork: str) -> None:
    """A second process could outlive the first: forks, spawns and the raw calls all fail. Threads work."""
    raising = "import ctypes, os, subprocess, threading\ndef raise_error(r):\n  if r < 0: raise OSError\n"
    body = f"try:\n  {fork}\n  print('two')\nexcept OSError: print('refused')\n"
    thread = "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()"
    assert run_python(raising + body + thread).output == b"refused\nthread\n"


def sandboxed_processes(folder: str = "gradatim-sandbox-") -> list[int]:
    """The processes whose command line names a sandbox's folder, of whichever run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [int(entry.parent.name)] if folder.encode() in entry.read_bytes() else []
        except OSError:
            continue
    return found


def test_a_program_ends_with_its_caller(tmp_path: Path) -> None:
    code = "from pipeline.sandbox import *; run_python('import time; time.sleep(60)', limits=Limits(seconds=60))"
    caller = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True
    )
    own = f"{tmp_path}/gradatim-sandbox-"
    wait_until(lambda: len(sandboxed_processes(own)) == 1)
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    wait_until(lambda: not sandboxed_processes(own))


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_output_and_disk_are_limited() -> None:
    run = run_python("import sys\nwhile True: sys.stdout.write('x' * (1 << 20))", max_output=1000)
    assert (run.output, run.truncated) == (b"x" * 1000, True)
    filling = (
        "n = 0\ntry:\n  while n < 999:\n    open(str(n), 'wb').write(bytes(1 << 20)); n += 1\n"
        "except OSError as e: print(n, e.errno)"
    )
    assert run_python(filling).output == b"64 28\n"
    assert (
        run_python("try: open('f', 'wb').write(bytes(9 << 20))\nexcept OSError as e: print(e.errno)").output == b"27\n"
    )


@pytest.mark.parametrize("replace", ["os.mkfifo('../stdout')", "os.symlink('/etc/passwd', '../stdout')"])
def test_replacing_the_output_file_achieves_nothing(replace: str) -> None:
    source = f"import os\ntry:\n  os.unlink('../stdout'); {replace}\nexcept OSError: print('refused')"
    assert run_python(source).output == b"refused\n"


def test_from_many_threads() -> None:
    with ThreadPoolExecutor(6) as threads:
        runs = list(threads.map(lambda k: run_python(f"print({k} ** 2)").output, range(12)))
    assert runs == [f"{k * k}\n".encode() for k in range(12)]


def test_from_a_child_forked_while_other_threads_start_programs() -> None:
    """A fork in the middle of a start must not leave the child with locks that nobody releases."""
    stop = threading.Event()

    def start_programs() -> None:
        while not stop.is_set():
            run_python("pass")

    starters = [threading.Thread(target=start_programs) for _ in range(2)]
    for starter in starters:
        starter.start()
    try:
        for delay in range(8):
            time.sleep(0.003 * delay)
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # one that hangs would hold sandlock's lock of the whole machine
                os._exit(0 if run_python("print(1)").output == b"1\n" else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for starter in starters:
            starter.join()


@pytest.fixture
def probed_again() -> Iterator[None]:
    available.cache_clear()
    yield
    available.cache_clear()


@pytest.mark.parametrize("broken", ["missing", "open", "silent"])
def test_without_isolation_nothing_runs(broken: str, monkeypatch: pytest.MonkeyPatch, probed_again: None) -> None:
    """Whatever is wrong with the sandbox, no program starts, and the verdict is undecided with the reason."""
    if broken == "missing":
        monkeypatch.setitem(sys.modules, "sandlock", None)
        reason = "sandlock installed"
    elif broken == "open":
        monkeypatch.setattr(sandbox, "_PROBE", "print('network', end='isolated')")
        reason = "does not confine: network"
    else:
        monkeypatch.setattr(sandbox, "_PROBE", "")
        reason = "gave no result"
    with pytest.raises(SandboxUnavailable, match=reason):
        run_python("print(1)")
    gold = '{"mode": "stdin", "tests": [{"input": "", "output": "1"}]}'
    judgement = judge("code", gold, f"```python\nprint(1)  # {broken}\n```")
    assert judgement.verdict == "undecided"
    assert reason in judgement.reason
