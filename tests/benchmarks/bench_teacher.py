"""The pipeline's vLLM engine against a bare `LLM.chat`: same model, prompts, sampling and engine settings, same run.

    python tests/benchmarks/bench_teacher.py --model qwen2.5-coder-1.5b-instruct --problems 24

Each arm loads the model in a process of its own; the arms take turns. Loading is not counted.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.config import Sampling, Teacher, VllmEngine
from pipeline.records import Problem

ARMS = ("bare", "pipeline")


def problems(count: int) -> list[Problem]:
    families = list(FAMILIES.values())
    return [generate_problem(families[i % len(families)], 0, i) for i in range(count)]


def teacher(arguments: argparse.Namespace) -> Teacher:
    sampling = Sampling(max_tokens=arguments.max_tokens, min_p=arguments.min_p, seed=arguments.seed)
    engine = VllmEngine(max_num_seqs=arguments.max_num_seqs)
    return Teacher(model=arguments.model, completions=arguments.completions, sampling=sampling, engine=engine)


def run_pipeline(arguments: argparse.Namespace) -> dict[str, float]:
    from pipeline.teacher import make_request, open_teacher
    from tests.asking import complete_requests

    settings = teacher(arguments)

    async def work() -> dict[str, float]:
        async with open_teacher(settings) as loaded:
            requests = [
                make_request((loaded.model, loaded.revision), settings, problem, i)
                for problem in problems(arguments.problems)
                for i in range(settings.completions)
            ]
            started = time.perf_counter()
            completions = await complete_requests(loaded, requests, "pipeline")
            seconds = time.perf_counter() - started
        return {"tokens": sum(c.completion_tokens for c in completions), "seconds": seconds}

    return asyncio.run(work())


def run_bare(arguments: argparse.Namespace) -> dict[str, float]:
    from pipeline.models import resolve
    from pipeline.prompts import render_prompt
    from pipeline.teacher_vllm import engine_arguments, prepare_environment

    settings = teacher(arguments)
    assert isinstance(settings.engine, VllmEngine)
    prepare_environment(settings.engine)
    from vllm import LLM, SamplingParams

    llm = LLM(**engine_arguments(str(resolve(settings.model).path), settings.engine))
    chats: list[Any] = [
        [{"role": m.role, "content": m.content} for m in render_prompt("boxed", problem.question)]
        for problem in problems(arguments.problems)
    ]
    sampling = SamplingParams(
        n=settings.completions,
        temperature=settings.sampling.temperature,
        min_p=settings.sampling.min_p,
        max_tokens=settings.sampling.max_tokens,
        seed=7 if settings.sampling.seed == "per_request" else None,
    )
    started = time.perf_counter()
    outputs = llm.chat(chats, sampling, use_tqdm=False)
    seconds = time.perf_counter() - started
    return {"tokens": sum(len(c.token_ids) for o in outputs for c in o.outputs), "seconds": seconds}


def child(arm: str, arguments: list[str]) -> float:
    command = [sys.executable, str(Path(__file__).resolve()), "--arm", arm, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    rate: float = result["tokens"] / result["seconds"]
    print(f"{arm:9} {result['tokens']:6.0f} tokens {result['seconds']:7.1f} s {rate:7.1f} tokens/s", flush=True)
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b-instruct")
    parser.add_argument("--problems", type=int, default=24)
    parser.add_argument("--completions", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--max-num-seqs", type=int, default=64)
    parser.add_argument("--min-p", type=float, default=0.0)
    parser.add_argument("--seed", choices=("none", "per_request"), default="none")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--arm", choices=ARMS)
    arguments = parser.parse_args()
    if arguments.arm:
        print(json.dumps((run_bare if arguments.arm == "bare" else run_pipeline)(arguments)))
        return
    rates = {arm: [] for arm in ARMS}  # type: dict[str, list[float]]
    for _ in range(arguments.repeat):
        for arm in ARMS:
            rates[arm].append(child(arm, sys.argv[1:]))
    ratio = statistics.median(rates["pipeline"]) / statistics.median(rates["bare"])
    print(f"pipeline / bare LLM.chat: {ratio:.3f}")


if __name__ == "__main__":
    main()
