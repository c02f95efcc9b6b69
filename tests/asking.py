"""Requests answered without a run, for tests and benchmarks."""

from collections.abc import Iterable

from pipeline.progress import track
from pipeline.records import Completion
from pipeline.solve import side_by_side
from pipeline.teacher import Request, Teacher, complete


async def complete_requests(teacher: Teacher, requests: Iterable[Request], name: str) -> list[Completion]:
    """Answer requests; the completions come back in the requests' order."""
    wanted = list(requests)
    finished: dict[str, Completion] = {}
    remaining = iter(wanted)
    with track(name, len(wanted)) as progress:

        async def work() -> None:
            for request in remaining:
                finished[request.id] = await complete(teacher, request)
                progress.advance()

        await side_by_side(min(teacher.window, len(wanted)), work)
    return [finished[request.id] for request in wanted]
