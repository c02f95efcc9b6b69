"""Math-Verify's opinion on a completion, for audits: asked in a confined child process that is killed at the deadline.

Math-Verify parses text with SymPy, which may run code or never end: it never works in this process, and it runs in the
sandbox or not at all.
"""

import json
import os
import select
import sys
import time
from types import TracebackType
from typing import Any, Final

from pipeline.sandbox import SandboxUnavailable, available, confined

START_SECONDS: Final = 120.0
MAX_ANSWER: Final = 100
_LOOP: Final = """
import json, logging, sys
logging.disable()
from math_verify import parse, verify
channel, sys.stdout = sys.stdout, sys.stderr
verify(parse("$1$"), parse("$1$"))
print("ready", file=channel, flush=True)
for line in sys.stdin:
    gold, text = json.loads(line)
    try:
        known = parse(f"${gold}$") or parse(gold)
        answer = bool(verify(known, parse(text)))
    except Exception:  # whatever it raised on such a text: no opinion, which is never a verdict
        answer = None
    print(json.dumps(answer), file=channel, flush=True)
"""


class SecondOpinion:
    """A child process with Math-Verify loaded; a new one after each that had to be killed. For one thread."""

    def __init__(self, deadline: float = 5.0) -> None:
        available()
        self.deadline = deadline
        self._child: Any = None

    def __enter__(self) -> "SecondOpinion":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def accepts(self, gold: str, text: str) -> bool | None:
        """Return whether Math-Verify takes the text for the gold; None if it failed or did not say so in time."""
        if self._child is None:
            self._child = confined([sys.executable, "-I", "-B", "-c", _LOOP], memory=2 << 30)
            if self._line(START_SECONDS) != "ready":
                self._stop()
                raise SandboxUnavailable("Math-Verify did not start in the sandbox")
        try:
            self._child.stdin.write(json.dumps([gold, text]).encode() + b"\n")
            self._child.stdin.flush()
            answer = self._line(self.deadline)
        except OSError:
            answer = None
        if answer == "null":  # it failed on these two texts, which is no opinion
            return None
        if answer not in ("true", "false"):
            self._stop()
            return None
        return answer == "true"

    def _line(self, seconds: float) -> str | None:
        """Read one short line from the child, or None at the deadline or its end."""
        end, line = time.monotonic() + seconds, b""
        channel = self._child.stdout.fileno()
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or len(line) > MAX_ANSWER or not select.select([channel], [], [], left)[0]:
                return None
            part = os.read(channel, 64)
            if not part:
                return None
            line += part
        return line.decode("utf-8", "replace").strip()

    def _stop(self) -> None:
        if self._child is not None:
            self._child.__exit__(None, None, None)  # kills it and closes the pipes
            self._child = None
