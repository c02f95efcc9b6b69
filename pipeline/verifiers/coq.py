"""Run Coq's compiler in the sandbox: one file of source and the compiled files it needs in, one compiled file out.

Nothing is ever compiled outside of the sandbox, and nothing at all where there is no `coqc` or no isolation. What this
does not protect against is a hole in Coq's kernel.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.sandbox import Limits, Run, SandboxUnavailable, run_python
from pipeline.verifiers.equality import Undecided

MAX_COMPILED: Final = 8 << 20
NOT_INSTALLED: Final = "coqc is not installed (apt install coq / opam install coq)"
_MESSAGES: Final = b"messages\n"


class CannotRun(Undecided):
    """There is no Coq here, or no sandbox to run it in: says nothing about any proof."""


class Rejected(Exception):
    """Coq read the file and did not accept it; the message is Coq's own, with the line."""


class Compiled(NamedTuple):
    """A compiled file (.vo) and the seconds it took."""

    content: bytes
    seconds: float


class _Coq(NamedTuple):
    compiler: str
    libraries: str


# Coq empties the output before it writes a compiled file. So one that does not begin with our first line is that file:
# nothing a proof prints can pass for one.
_COMPILE: Final = """
import os
coqc, libraries, name, compiled = {arguments!r}
output, nothing = os.readlink("/proc/self/fd/1"), os.open(os.devnull, os.O_WRONLY)
os.write(1, {messages!r})
os.dup2(1, 2)
if compiled:
    os.symlink(output, name + ".vo")
    os.dup2(nothing, 1)
environment = dict(os.environ, OCAMLFIND_CONF=os.devnull, OCAMLPATH=libraries)
options = ["-q", "-noglob", "-w", "none", "-color", "no", "-native-compiler", "no"]
os.execve(coqc, [coqc, *options, name + ".v"], environment)
"""


def compile_file(name: str, source: str, compiled: Mapping[str, bytes], seconds: float) -> Compiled:
    """Compile `name`.v beside compiled files, by name, that it may require.

    Raises Rejected with Coq's message; Undecided at a limit, where Coq itself fails, and (CannotRun) without Coq.
    """
    run = _run(name, source, compiled, seconds, keep=True)
    if run.output.startswith(_MESSAGES):
        message = run.output.removeprefix(_MESSAGES).decode("utf-8", "replace").strip()
        place, _, fault = message.partition("\n")
        if not place.startswith(f'File "./{name}.v", line '):
            raise Undecided(f"Coq failed: {message[:400]}")
        if fault.startswith(("Error: Out of memory", "Error: Stack overflow")):
            raise Undecided(f"Coq gave up: {fault[:400]}")
        raise Rejected(" ".join(message.removeprefix('File "./').replace('"', "", 1).split())[:400])
    return Compiled(run.output, run.seconds)


def messages(name: str, source: str, compiled: Mapping[str, bytes], seconds: float) -> str:
    """Compile a file of our own and return all that Coq says about it. Raises Undecided and CannotRun."""
    run = _run(name, source, compiled, seconds, keep=False)
    return run.output.removeprefix(_MESSAGES).decode("utf-8", "replace")


def _run(name: str, source: str, compiled: Mapping[str, bytes], seconds: float, *, keep: bool) -> Run:
    coq = _coq()
    files = {f"{name}.v": source.encode("utf-8", "replace")}
    files |= {f"{other}.vo": content for other, content in compiled.items()}
    script = _COMPILE.format(arguments=(coq.compiler, coq.libraries, name, keep), messages=_MESSAGES)
    limits = Limits(seconds=max(seconds, 0.001), open_files=64, readable=(coq.compiler, coq.libraries))
    try:
        run = run_python(script, files=files, limits=limits, max_output=MAX_COMPILED)
    except (SandboxUnavailable, OSError) as error:  # a full disk says nothing about the proof either
        raise CannotRun(f"no sandbox: {error}") from error
    if run.ending != "exited" or run.truncated:
        raise Undecided(f"Coq was {'over a limit' if run.truncated else run.ending} on {name}.v")
    return run


def _coq() -> _Coq:
    found = shutil.which("coqc")
    if found is None:
        raise CannotRun(NOT_INSTALLED)
    return _Coq(os.path.realpath(found), _libraries(os.path.realpath(found)))


@lru_cache(maxsize=8)
def _libraries(compiler: str) -> str:
    """Return the folder that holds Coq's libraries and its plugins' packages, as the compiler names it."""
    try:
        told = subprocess.run([compiler, "-where"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(f"coqc does not start: {error}") from error
    return str(Path(told.stdout.strip()).parent)
