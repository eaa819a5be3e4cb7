"""Recipes with a name and a source. Text only, so that listing them imports no framework.

A letter before a dash names one of `PAPERS`, with its reference code. Counts are trainable
parameters without the head at base size (12 layers of width 768).
"""

from dataclasses import dataclass
from typing import Final

PAPERS: Final[dict[str, str]] = {
    "A": "https://arxiv.org/abs/2401.02122",
    "B": "https://arxiv.org/abs/2407.21066",
    "C": "https://arxiv.org/abs/2402.11747",
    "D": "https://arxiv.org/abs/2312.03694",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """An expression with where its settings come from."""

    expression: str
    source: str


_D = "paper D"
_BIAS = "bias@attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out,norm.attn,norm.ffn"
_LORA = "lora(reduction={}, alpha=8, scale=alpha/reduction)@{}"
_SEQUENTIAL = "bottleneck(reduction=64)@{}"
_PARALLEL = "bottleneck(reduction=64, insertion=parallel, position=before)@{}"
_FINAL = "norm@norm.final"

PRESETS: Final[dict[str, Preset]] = {
    "linear": Preset("linear", "linear probe: nothing but the head trains"),
    "full": Preset("full@backbone", "full fine-tuning: everything trains"),
    "bitfit": Preset("bias", "Ben Zaken et al. 2022: every bias of every layer"),
    "norms": Preset("norm", "the LayerNorms of every layer"),
    "lora": Preset("lora(rank=8)@attn.q,attn.v", "Hu et al. 2021: rank 8, alpha/rank = 1"),
    "lora-all": Preset(
        "lora(rank=8)@attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out",
        "Hu et al. 2021 at all six linears of a layer",
    ),
    "bottleneck": Preset("bottleneck(width=64)@ffn", "after the feed-forward block, width 64"),
    "parallel": Preset(
        "bottleneck(width=64, insertion=parallel, position=before)@ffn",
        "He et al. 2022: beside the feed-forward block, width 64",
    ),
    "pfeiffer": Preset(
        "bottleneck(reduction=16, activation=relu)@ffn",
        "Pfeiffer et al. 2021: after the feed-forward block, reduction 16",
    ),
    "houlsby": Preset(
        "bottleneck(reduction=16, activation=silu)@attn,ffn",
        "Houlsby et al. 2019: after attention and feed-forward block, reduction 16",
    ),
    "a-houlsby": Preset("bottleneck(width=32)@ffn", "paper A: width 32, 599 424"),
    "a-lora": Preset("lora(rank=8, alpha=1)@attn.q,attn.v", "paper A: scale 1/8, 294 912"),
    "a-bitfit": Preset("bias", "paper A: 101 376"),
    "a-lnfit": Preset("norm", "paper A's code: 36 864"),
    "b-full": Preset("full@layer", "paper B's baseline: the transformer layers, 85 064 688"),
    "c-lora": Preset(
        "lora(rank=8)@attn.q,attn.k,attn.v", "paper C: q, k, v; it does not state the rank"
    ),
    "c-ba": Preset("bottleneck(width=64)@ffn", "paper C: BA; it does not state the width"),
    "c-lora-ba": Preset(
        "lora(rank=8)@attn.q,attn.k,attn.v + bottleneck(width=64)@ffn",
        "paper C: LoRA+BA; rank and width are not stated",
    ),
    "d-linear": Preset(_FINAL, f"{_D}, table I: linear; its code trains the final norm too"),
    "d-bitfit": Preset(f"{_BIAS},norm.final", f"{_D}, table I: BitFit, 102 144"),
    "d-pfeiffer-par": Preset(
        f"{_PARALLEL.format('attn')} + norm@norm.attn,norm.final",
        f"{_D}, table I: PF par, which is table III's MHSA-par-before, 248 976 and final norm",
    ),
    "d-pfeiffer-seq": Preset(
        f"{_SEQUENTIAL.format('ffn')} + norm@norm.ffn,norm.final",
        f"{_D}, table I: PF seq, which is table III's FFN-after, 248 976 and final norm",
    ),
    "d-houlsby-par": Preset(
        f"{_PARALLEL.format('attn,ffn')} + norm@norm.attn,norm.ffn,norm.final",
        f"{_D}, table I: HOU par, 497 952 and final norm",
    ),
    "d-houlsby-seq": Preset(
        f"{_SEQUENTIAL.format('attn,ffn')} + norm@norm.attn,norm.ffn,norm.final",
        f"{_D}, table I: HOU seq, 497 952 and final norm",
    ),
    "d-lora": Preset(
        f"{_LORA.format(128, 'attn.q,attn.v')} + {_FINAL}",
        f"{_D}, tables I and IV: LoRA q,v, 221 184 and final norm",
    ),
    "d-lora-q": Preset(
        f"{_LORA.format(64, 'attn.q')} + {_FINAL}", f"{_D}, table IV: q, 221 184 and final norm"
    ),
    "d-lora-qk": Preset(
        f"{_LORA.format(128, 'attn.q,attn.k')} + {_FINAL}",
        f"{_D}, table IV: q,k, 221 184 and final norm",
    ),
    "d-lora-qkvo": Preset(
        f"{_LORA.format(256, 'attn.q,attn.k,attn.v,attn.o')} + {_FINAL}",
        f"{_D}, table IV: q,k,v,o, 221 184 and final norm",
    ),
    "d-ffn-par-before": Preset(
        f"{_PARALLEL.format('ffn')} + norm@norm.ffn,norm.final",
        f"{_D}, table III: FFN-par-before; table VII: parallel without residual",
    ),
    "d-ffn-seq-before": Preset(
        "bottleneck(reduction=64, position=before, residual=false)@ffn + norm@norm.ffn,norm.final",
        f"{_D}, table III: FFN-seq-before, which replaces the block's input",
    ),
    "d-mhsa-after": Preset(
        f"{_SEQUENTIAL.format('attn')} + norm@norm.attn,norm.final",
        f"{_D}, table III: MHSA-seq/par-after",
    ),
    "d-mhsa-seq-before": Preset(
        "bottleneck(reduction=64, position=before, residual=false)@attn"
        " + norm@norm.attn,norm.final",
        f"{_D}, table III: MHSA-seq-before, which replaces the block's input",
    ),
    "d-pfeiffer-seq-470k": Preset(
        "bottleneck(reduction=32)@ffn + norm@norm.ffn,norm.final",
        f"{_D}, table V: FFN-seq-after x2, 470 304 and final norm",
    ),
    "d-pfeiffer-par-470k": Preset(
        "bottleneck(reduction=32, insertion=parallel, position=before)@attn"
        " + norm@norm.attn,norm.final",
        f"{_D}, table V: MHSA-par-before x2, 470 304 and final norm",
    ),
    "d-houlsby-mixed": Preset(
        f"{_PARALLEL.format('attn')} + {_SEQUENTIAL.format('ffn')}"
        " + norm@norm.attn,norm.ffn,norm.final",
        f"{_D}, table V: HOU mixed, 497 952 and final norm",
    ),
    "d-hydra": Preset(
        f"{_SEQUENTIAL.format('ffn')} + {_PARALLEL.format('ffn')} + norm@norm.ffn,norm.final",
        f"{_D}, table V: Hydra at the FFN, 479 520 and final norm (the paper prints 470K)",
    ),
    "d-lora-442k": Preset(
        f"{_LORA.format(64, 'attn.q,attn.v')} + {_FINAL}",
        f"{_D}, table VI: LoRA, 442 368 and final norm",
    ),
    "d-adapter-lora": Preset(
        f"{_PARALLEL.format('ffn')} + {_LORA.format(128, 'attn.q,attn.v')}"
        " + norm@norm.ffn,norm.final",
        f"{_D}, table VI: adapter and LoRA, 470 160 and final norm",
    ),
    "d-seq-no-residual": Preset(
        "bottleneck(reduction=64, residual=false)@ffn + norm@norm.ffn,norm.final",
        f"{_D}, table VII: sequential without its residual",
    ),
    "d-par-residual": Preset(
        "bottleneck(reduction=64, insertion=parallel, position=before, residual=true)@ffn"
        " + norm@norm.ffn,norm.final",
        f"{_D}, table VII: parallel with a residual",
    ),
}
