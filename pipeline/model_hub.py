"""Model folders from the Hugging Face Hub, and what a model folder must hold. A Hub out of reach costs seconds."""

import json
import queue
import threading
from pathlib import Path
from typing import Final

HUB_FILES: Final = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.safetensors")
SECONDS: Final = 4.0


class HubUnavailableError(Exception):
    """The Hub did not answer in time, or does not give this model."""


def snapshot(hub_id: str, revision: str | None, *, progress: bool) -> Path:
    """Return the model's folder in the Hub's own cache; its name is the commit. `revision` None means `main`.

    The Hub completes what an interrupted download left; where it is out of reach, what is cached serves.
    """
    try:
        commit = _ask_commit(hub_id, revision)
    except HubUnavailableError:
        if cached := cached_snapshot(hub_id, revision or "main"):
            return cached
        raise
    return _download(hub_id, commit, progress=progress)


def cached_snapshot(hub_id: str, revision: str) -> Path | None:
    """Return the folder if the Hub's cache has its weights and tokenizer; never asks the Hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    whole = missing_file(folder) is None and (folder / "tokenizer_config.json").is_file()
    return folder if whole else None


def missing_file(folder: Path) -> str | None:
    """Name the first file that `folder` lacks to be loadable as a model, or None."""
    if not (folder / "config.json").is_file():
        return "config.json"
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return None if (folder / "model.safetensors").is_file() else "model.safetensors"
    shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    return next((shard for shard in shards if not (folder / shard).is_file()), None)


def _ask_commit(hub_id: str, revision: str | None) -> str:
    """Ask for the commit behind a revision, in a thread of its own: looking a host up cannot be given a deadline."""
    import httpx
    from huggingface_hub import HfApi, is_offline_mode

    if is_offline_mode():
        raise HubUnavailableError("HF_HUB_OFFLINE is set")
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(str(HfApi().model_info(hub_id, revision=revision, timeout=SECONDS).sha))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=SECONDS + 0.5)
    except queue.Empty:
        raise HubUnavailableError(f"no answer in {SECONDS:.0f} s") from None
    if isinstance(answer, Exception):
        raise HubUnavailableError(_first_line(answer))
    return answer


def _download(hub_id: str, commit: str, *, progress: bool) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    if not progress:
        disable_progress_bars()
    try:
        folder = snapshot_download(hub_id, revision=commit, allow_patterns=list(HUB_FILES), ignore_patterns=["*/*"])
    except (httpx.HTTPError, OSError) as error:  # hf_xet raises built-in errors
        raise HubUnavailableError(f"{_first_line(error)}; what has come is kept, the same call goes on") from None
    if lacking := missing_file(Path(folder)):
        raise HubUnavailableError(f"the repository has no {lacking}")
    return Path(folder)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
