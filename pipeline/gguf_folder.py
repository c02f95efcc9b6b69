"""Turn a GGUF file into an ordinary bfloat16 model folder: configs, tokenizer, chat template, safetensors.

For the llama and qwen2 architectures. transformers' own loader takes four times as long and 6 GB for 1.5 B parameters,
and the folder it saves stops at the wrong token, lacks special tokens and splits text unlike the original.
"""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.gguf_reader import Gguf, Tensor, read_gguf

CONTROL, USER_DEFINED, UNUSED = 3, 4, 5  # token types
CLASSES: Final = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}
NAMES: Final = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
QWEN2_WORDS: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def convert_gguf(
    source: Path,
    folder: Path,
    *,
    tied: bool,
    bos: str | None,
    stop_tokens: tuple[str, ...],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the model folder. `tied`, `bos` and `stop_tokens` are those of PackagedModel; `advance` is told
    the bytes of weights as they are written."""
    gguf = read_gguf(source)
    folder.mkdir()
    _write_json(folder / "config.json", _config(gguf, tied))
    _write_json(folder / "generation_config.json", _generation_config(gguf, stop_tokens))
    _write_tokenizer(gguf, folder, bos)
    _write_weights(gguf, folder / "model.safetensors", tied, advance)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _config(gguf: Gguf, tied: bool) -> dict[str, Any]:
    return {
        "architectures": [CLASSES[gguf.architecture]],
        "model_type": gguf.architecture,
        "hidden_size": gguf["embedding_length"],
        "intermediate_size": gguf["feed_forward_length"],
        "num_hidden_layers": gguf["block_count"],
        "num_attention_heads": gguf["attention.head_count"],
        "num_key_value_heads": gguf["attention.head_count_kv"],
        "max_position_embeddings": gguf["context_length"],
        "rms_norm_eps": _shortest(gguf["attention.layer_norm_rms_epsilon"]),
        "rope_theta": gguf["rope.freq_base"],
        "vocab_size": gguf.tensors["token_embd.weight"].shape[0],
        "hidden_act": "silu",
        "tie_word_embeddings": tied,
        "bos_token_id": gguf.metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": gguf.metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": gguf.metadata["tokenizer.ggml.padding_token_id"],
        "dtype": "bfloat16",
        "transformers_version": "5.0.0",  # the form of these files; without it the tokenizer is suspected of an old bug
    }


def _shortest(value: float) -> float:
    """The decimal that was meant: a GGUF file holds 1e-6 in single precision."""
    return float(str(np.float32(value)))


def _generation_config(gguf: Gguf, stop_tokens: tuple[str, ...]) -> dict[str, Any]:
    tokens: list[str] = gguf.metadata["tokenizer.ggml.tokens"]
    return {
        "bos_token_id": gguf.metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": [tokens.index(token) for token in stop_tokens],
        "pad_token_id": gguf.metadata["tokenizer.ggml.padding_token_id"],
    }


def _write_tokenizer(gguf: Gguf, folder: Path, bos: str | None) -> None:
    tokens = gguf.metadata["tokenizer.ggml.tokens"]
    _build_tokenizer(gguf.metadata).save(str(folder / "tokenizer.json"))
    special = {
        f"{role}_token": tokens[gguf.metadata[key]]
        for role, key in (
            ("eos", "tokenizer.ggml.eos_token_id"),
            ("pad", "tokenizer.ggml.padding_token_id"),
            ("unk", "tokenizer.ggml.unknown_token_id"),
        )
        if key in gguf.metadata
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": bos,
        **special,
        "model_max_length": gguf["context_length"],
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(gguf.metadata["tokenizer.chat_template"], encoding="utf-8")


def _build_tokenizer(metadata: dict[str, Any]) -> Any:
    """Build the byte-level BPE tokenizer as the original has it; unused filler tokens stay out."""
    from tokenizers import AddedToken, Tokenizer, decoders, models

    typed = list(zip(metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"], strict=True))
    vocabulary = {token: index for index, (token, kind) in enumerate(typed) if kind != UNUSED}
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.normalizer, tokenizer.pre_tokenizer = _splitting(metadata["tokenizer.ggml.pre"])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in typed if k == CONTROL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t, k in typed if k == USER_DEFINED])
    return tokenizer


def _splitting(kind: str) -> tuple[Any, Any]:
    """Return the normalizer and pre-tokenizer that the GGUF file only names."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    byte_level = pre_tokenizers.ByteLevel
    if kind == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return None, pre_tokenizers.Sequence([digits, byte_level(add_prefix_space=False)])
    if kind == "qwen2":
        words = pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated")
        plain = byte_level(add_prefix_space=False, use_regex=False)
        return normalizers.NFC(), pre_tokenizers.Sequence([words, plain])
    raise ValueError(f"the pre-tokenizer {kind!r} is not known here")


def _write_weights(gguf: Gguf, path: Path, tied: bool, advance: Callable[[int], None]) -> None:
    """Write all tensors as one safetensors file, in place and by two threads: little memory, whatever the size."""
    tensors = _named(gguf, tied)
    sizes = [2 * int(np.prod(tensor.shape)) for tensor in tensors.values()]
    ends = list(accumulate(sizes))
    header: dict[str, Any] = {
        name: {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [end - size, end]}
        for (name, tensor), size, end in zip(tensors.items(), sizes, ends, strict=True)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    with path.open("wb") as handle:
        os.posix_fallocate(
            handle.fileno(), 0, start + ends[-1]
        )  # a full disk is an error here, a crash in mapped memory
        handle.write(len(text).to_bytes(8, "little") + text)
    values = np.memmap(path, np.uint16, "r+", offset=start)

    def write(tensor: Tensor, size: int, end: int) -> None:
        _fill(values[(end - size) // 2 : end // 2], tensor, _row_order(gguf, tensor))
        advance(size)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, tensors.values(), sizes, ends))
    values.flush()


def _named(gguf: Gguf, tied: bool) -> dict[str, Tensor]:
    """Map the names that transformers uses to the tensors.

    Where the output is the embedding, a file may hold that tensor twice, the output less coarsely quantised: take it.
    """
    tensors = dict(gguf.tensors)
    if tied and "output.weight" in tensors:
        tensors["token_embd.weight"] = tensors.pop("output.weight")
    return {_name(name): tensor for name, tensor in tensors.items()}


def _name(name: str) -> str:
    *block, tensor, kind = name.split(".")
    prefix = f"model.layers.{block[1]}." if block else ""
    return f"{prefix}{NAMES[tensor]}.{kind}"


def _row_order(gguf: Gguf, tensor: Tensor) -> npt.NDArray[np.intp] | None:
    """Undo the interleaving of rotary halves that GGUF applies to llama's queries and keys."""
    kind = tensor.name.split(".")[-2]
    if gguf.architecture != "llama" or kind not in ("attn_q", "attn_k"):
        return None
    heads = gguf["attention.head_count" if kind == "attn_q" else "attention.head_count_kv"]
    return np.arange(tensor.shape[0]).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)


def _fill(target: npt.NDArray[np.uint16], tensor: Tensor, order: npt.NDArray[np.intp] | None) -> None:
    at = 0
    for values in tensor.rows(order):
        target[at : at + values.size] = to_bfloat16(values).reshape(-1)
        at += values.size


def to_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Round finite single-precision values to bfloat16 bits: to nearest, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
