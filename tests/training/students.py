"""Students made on the spot: a byte-level tokenizer with any chat template, and a random Llama of two layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
START, END = "<|im_start|>", "<|im_end|>"


def template(name: str) -> str:
    """A chat template as its model ships it."""
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def byte_tokenizer(chat_template: str, end: str = END, merges: Sequence[tuple[str, str]] = ()) -> Any:
    """One token per byte and per merge, and one for the end of turn, which is also the padding."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    start, end = special = [START, end]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet, *map("".join, merges)])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=end)
    tokenizer.add_special_tokens({"additional_special_tokens": [start]})
    tokenizer.chat_template = chat_template
    return tokenizer


def random_llama(tokenizer: Any) -> Any:
    """A random Llama of two layers for a tokenizer of ours."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        eos_token_id=1,
        pad_token_id=1,
        bos_token_id=0,
    )
    return LlamaForCausalLM(config)


def save_student(folder: Path, chat_template: str) -> Path:
    """Save a random student. Returns the folder."""
    tokenizer = byte_tokenizer(chat_template)
    random_llama(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
