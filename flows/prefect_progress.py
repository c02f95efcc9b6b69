"""Progress bars on Prefect's page: one progress artifact per stage, updated every few seconds from a thread of its own.

Stages report from inside event loops, where Prefect's blocking calls must not be made; the thread makes them.
"""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.prefect_server import end_server_with_us, sigterm_ends_us
from pipeline.progress import watching

UPDATE_EVERY_SECONDS = 5.0


@contextmanager
def progress_artifacts(run: str) -> Iterator[None]:
    """Mirror the stages' progress into artifacts of the current flow run while the block runs."""
    shares: dict[str, float] = {}
    stop = threading.Event()

    def note(stage: str, done: int, total: int | None) -> None:
        shares[stage] = 100.0 * done / total if total else 100.0

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_mirror, run, shares, stop), daemon=True)
    thread.start()
    end_server_with_us()
    try:
        with sigterm_ends_us(), watching(note):
            yield
    finally:
        stop.set()
        thread.join()


def _mirror(run: str, shares: dict[str, float], stop: threading.Event) -> None:
    artifacts: dict[str, UUID] = {}
    shown: dict[str, float] = {}
    while True:
        last = stop.wait(UPDATE_EVERY_SECONDS)
        for stage, share in list(shares.items()):
            if stage not in artifacts:
                artifacts[stage] = cast(UUID, create_progress_artifact(share, description=f"{run}: {stage}"))
            elif shown[stage] != share:
                update_progress_artifact(artifacts[stage], share)
            shown[stage] = share
        if last:
            return
