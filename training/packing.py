"""Whether rows may be packed: tried out on the student itself, since it depends on its attention and on the device.

Rows that are packed without a mask between them are trained on each other's text, and no loss curve shows it.
"""

from collections.abc import Sequence
from typing import Any, Final

from training.loss_mask import labels_of
from training.templates_check import PreflightError, Rendered

TOLERANCE: Final = 0.02  # of the largest logit: bfloat16 keeps 8 bits, a mixed row is off by far more


def check_packing(model: Any, rows: Sequence[Rendered], *, autocast: bool) -> float:
    """Compare the logits of a short row alone with those of the same row packed behind another one.

    Uses TRL's own padding-free collator. Returns the largest difference as a share of the largest logit; raises
    PreflightError if it shows that the first row is seen by the second, or that positions go on.
    """
    import torch
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    model = model.to(device).eval()
    first, second = (sorted(rows, key=lambda row: len(row.tokens)) * 2)[:2]
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)

    def logits(*packed: Rendered) -> Any:
        batch = collate([{"input_ids": r.tokens, "labels": labels_of(r)} for r in packed])
        given = {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items() if k != "labels"}
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            return model(**given, use_cache=False).logits[0, -len(second.tokens) :].float()

    alone, behind = logits(second), logits(first, second)
    model.train()
    difference = float((alone - behind).abs().max() / alone.abs().max())
    if not difference <= TOLERANCE:
        raise PreflightError(
            f"{second.name}: packed behind another row its logits change by {difference:.0%}, so the attention "
            f"{model.config._attn_implementation} mixes packed rows; say sft.packing=false, or another "
            "sft.attn_implementation (flash_attention_2)"
        )
    return difference
