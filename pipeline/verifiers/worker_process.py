"""What runs on the other side of the pool: a parent that has SymPy loaded and forks workers, and the workers' loop.

The forking process has one thread and does nothing else, so a fork is safe and takes milliseconds. It ends when the
main process ends (its socket closes), and the workers end with it (the kernel kills them).
"""

import ctypes
import json
import os
import resource
import signal
import socket
from fractions import Fraction
from typing import Any, Final

from pipeline.verifiers.tree import Node

MAX_MESSAGE: Final = 16_000_000
_PR_SET_PDEATHSIG: Final = 1


def encode(node: Node) -> list[Any]:
    """Write a tree as JSON values; rational numbers as two hexadecimal integers."""
    value = node.value
    if isinstance(value, Fraction):
        return [node.op, f"{value.numerator:x}/{value.denominator:x}"]
    return [node.op, value, *(encode(arg) for arg in node.args)]


def decode(data: list[Any]) -> Node:
    """Read what `encode` wrote."""
    op, value, *args = data
    if op == "num":
        top, bottom = value.split("/")
        return Node(op, value=Fraction(int(top, 16), int(bottom, 16)))
    return Node(op, tuple(decode(arg) for arg in args), value)


def forking_parent(control_fd: int) -> None:
    """Fork one worker for every socket that arrives on the control socket; answer with its process id."""
    from pipeline.verifiers.algebra import decide  # SymPy is loaded here only, once for all forks

    x, y = (Node("sym", value=name) for name in "xy")
    decide("equation", Node("mul", (x, y)), y)  # SymPy loads and builds much on first use
    decide("value", Node("pow", (Node("add", (x, y)), x)), y)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    control.sendall(b"ready\n")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
        if not message:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            control.close()
            _work(socket.socket(fileno=descriptors[0]), int(message))
            os._exit(0)
        os.close(descriptors[0])
        control.sendall(b"%d\n" % pid)


def _work(channel: socket.socket, memory: int) -> None:
    """Answer requests until the socket closes. Each is one line of JSON, and so is each answer."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with channel.makefile("rb") as lines:
        while line := lines.readline(MAX_MESSAGE):
            channel.sendall(json.dumps(_answer(json.loads(line))).encode() + b"\n")


def _answer(request: list[Any]) -> dict[str, Any]:
    from pipeline.verifiers.algebra import Unsupported, decide
    from pipeline.verifiers.logic_solver import statuses

    kind, left, right = request
    if kind == "sleep":  # for tests: a request that hangs
        while True:
            pass
    try:
        if kind == "logic":
            return {"statuses": statuses([decode(formula) for formula in left], right)}
        return {"equal": decide(kind, decode(left), decode(right))}
    except MemoryError:
        return {"error": "out of memory", "retire": True}
    except RecursionError:
        return {"error": "nested too deeply", "retire": True}
    except (Unsupported, ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError) as error:
        return {"error": f"not decided symbolically: {type(error).__name__}"}
