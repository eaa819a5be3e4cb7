"""Recipes with a name and a source. Text only, so that listing them imports no framework.

The word before the slash names the source: `ast` Cappellazzo et al. 2023, `elp` Inoue et al. 2024
and Otake et al. 2023, `ser` Lashkarashvili et al. 2024, `superb` Lin et al. 2024 and Chen et al.
2023; `peft-ser` and `sure` are named after their papers, `whisper` is for Whisper with its decoder
(at small size: 12 layers of width 768 in both). Numbers are trainable parameters without
the head at base size (12 layers of width 768); those of `ast` are also without the final norm, as
in the table of the paper.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

HEAD_ONLY: Final = "linear"  # no adapters

PAPERS: Final[dict[str, str]] = {
    "Cappellazzo et al. 2023": "https://arxiv.org/abs/2312.03694",
    "Inoue et al. 2024": "https://arxiv.org/abs/2407.21066",
    "Otake et al. 2023": "https://arxiv.org/abs/2210.16032",
    "Lashkarashvili et al. 2024": "https://arxiv.org/abs/2402.11747",
    "Lin et al. 2024": "https://arxiv.org/abs/2401.02122",
    "Chen et al. 2023": "https://arxiv.org/abs/2210.06175",
    "Chen et al. 2023 (CHAPTER)": "https://arxiv.org/abs/2212.01282",
    "Feng & Narayanan 2023 (PEFT-SER)": "https://arxiv.org/abs/2306.05350",
    "Li et al. 2023 (SURE)": "https://arxiv.org/abs/2303.03267",
}


@dataclass(frozen=True, slots=True)
class Preset:
    """An expression, and the source of its settings."""

    expression: str
    source: str


_SEQ = "bottleneck(reduction={})@{}"
_PAR = "bottleneck(insertion=parallel, position=before, reduction={})@{}"
_SEQ_BEFORE = "bottleneck(position=before, residual=false, reduction=64)@{}"
_CONV_SEQ = "convpass(reduction=64)@{}"
_CONV_PAR = "convpass(insertion=parallel, position=before, reduction=64)@{}"
_LORA = "lora(reduction={}, alpha=8, scale=alpha/reduction)@{}"
_PROMPT = "prompt(length={0}, keep=true, drop_distillation=true)"
_DEEP = f"{_PROMPT} + deep-prompt(length={{0}})[1:]"
_QV = "attn.q,attn.v,dec.attn.q,dec.attn.v,dec.cross.q,dec.cross.v"
_WHOLE = (
    "attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out,dec.attn.q,dec.attn.k,dec.attn.v,dec.attn.o,"
    "dec.cross.q,dec.cross.k,dec.cross.v,dec.cross.o,dec.ffn.in,dec.ffn.out"
)
_PF = f"{_PAR.format(64, 'ffn')} + norm@norm.ffn"

_AST: Final[dict[str, tuple[str, str]]] = {  # without the final norm
    "linear": ("", "table I: linear; the code trains the final norm too"),
    "spt-300": (_PROMPT.format(300), "table I: SPT 300, 230 400"),
    "dpt-25": (_DEEP.format(25), "table I: DPT 25, 230 400"),
    "prefix-24": (
        "prefix(length=12)",
        "table I: Pref-T 24, which are 12 keys and 12 values, 221 184",
    ),
    "pf-par": (
        f"{_PAR.format(64, 'attn')} + norm@norm.attn",
        "table I: PF par, which is table III's MHSA-par-before, 248 976",
    ),
    "pf-seq": (
        f"{_SEQ.format(64, 'ffn')} + norm@norm.ffn",
        "table I: PF seq, which is table III's FFN-after, 248 976",
    ),
    "hou-par": (f"{_PAR.format(64, 'attn,ffn')} + norm", "table I: HOU par, 497 952"),
    "hou-seq": (f"{_SEQ.format(64, 'attn,ffn')} + norm", "table I: HOU seq, 497 952"),
    "convpass-pf-par": (
        f"{_CONV_PAR.format('ffn')} + norm@norm.ffn",
        "table I: Convpass PF par, 254 304",
    ),
    "convpass-pf-seq": (
        f"{_CONV_SEQ.format('ffn')} + norm@norm.ffn",
        "table I: Convpass PF seq, 254 304",
    ),
    "convpass-hou-par": (
        f"{_CONV_PAR.format('attn,ffn')} + norm",
        "table I: Convpass HOU par, 508 608",
    ),
    "convpass-hou-seq": (
        f"{_CONV_SEQ.format('attn,ffn')} + norm",
        "table I: Convpass HOU seq, 508 608",
    ),
    "lora-q": (_LORA.format(64, "attn.q"), "table IV: q, 221 184"),
    "lora-qk": (_LORA.format(128, "attn.q,attn.k"), "table IV: q,k, 221 184"),
    "lora-qv": (_LORA.format(128, "attn.q,attn.v"), "tables I and IV: LoRA at q,v, 221 184"),
    "lora-qkvo": (
        _LORA.format(256, "attn.q,attn.k,attn.v,attn.o"),
        "table IV: q,k,v,o, 221 184",
    ),
    "ffn-after": (
        f"{_SEQ.format(64, 'ffn')} + norm@norm.ffn",
        "table III: FFN-seq/par-after, 248 976",
    ),
    "ffn-seq-before": (
        f"{_SEQ_BEFORE.format('ffn')} + norm@norm.ffn",
        "table III: FFN-seq-before, which replaces the block's input, 248 976",
    ),
    "ffn-par-before": (_PF, "table III: FFN-par-before, 248 976"),
    "mhsa-after": (
        f"{_SEQ.format(64, 'attn')} + norm@norm.attn",
        "table III: MHSA-seq/par-after, 248 976",
    ),
    "mhsa-seq-before": (
        f"{_SEQ_BEFORE.format('attn')} + norm@norm.attn",
        "table III: MHSA-seq-before, which replaces the block's input, 248 976",
    ),
    "mhsa-par-before": (
        f"{_PAR.format(64, 'attn')} + norm@norm.attn",
        "table III: MHSA-par-before, 248 976",
    ),
    "pf-seq-x2": (
        f"{_SEQ.format(32, 'ffn')} + norm@norm.ffn",
        "table V: FFN-seq-after x2, 470 304",
    ),
    "pf-par-x2": (
        f"{_PAR.format(32, 'attn')} + norm@norm.attn",
        "table V: MHSA-par-before x2, 470 304",
    ),
    "hou-mixed": (
        f"{_PAR.format(64, 'attn')} + {_SEQ.format(64, 'ffn')} + norm",
        "table V: HOU mixed, 497 952",
    ),
    "hydra-ffn": (
        f"{_SEQ.format(64, 'ffn')} + {_PAR.format(64, 'ffn')} + norm@norm.ffn",
        "table V: Hydra at the FFN, 479 520 (the paper prints 470K)",
    ),
    "lora-x2": (_LORA.format(64, "attn.q,attn.v"), "table VI: LoRA, 442 368"),
    "adapter+lora": (
        f"{_PF} + {_LORA.format(128, 'attn.q,attn.v')}",
        "table VI: adapter and LoRA, 470 160",
    ),
    "adapter+dpt-25": (f"{_PF} + {_DEEP.format(25)}", "table VI: adapter and DPT, 479 376"),
    "adapter+dpt-14+lora": (
        f"{_PF} + {_DEEP.format(14)} + {_LORA.format(256, 'attn.q,attn.v')}",
        "table VI: adapter, DPT and LoRA, 488 592",
    ),
    "seq-no-residual": (
        "bottleneck(residual=false, reduction=64)@ffn + norm@norm.ffn",
        "table VII: sequential without its residual, 248 976",
    ),
    "par-residual": (
        "bottleneck(insertion=parallel, position=before, residual=true, reduction=64)@ffn"
        " + norm@norm.ffn",
        "table VII: parallel with a residual, 248 976",
    ),
}

_SER: Final = {
    "lora": "lora(rank=8)@attn.q,attn.k,attn.v",
    "ba": "bottleneck(width=64)@ffn",
    "ws": "weighted-sum",
    "wg": "gate",
}

_HOULSBY = "bottleneck(init=torch, width={})@ffn"
_PARALLEL = "bottleneck(insertion=parallel, position=before, init=torch, width={}, reads=layer)@ffn"
_SPEECH: Final[dict[str, tuple[str, str]]] = {
    "superb/weighted-sum": (
        "weighted-sum",
        "Yang et al. 2021 (SUPERB): softmax weights of 13 hidden states, 13",
    ),
    "superb/houlsby": (_HOULSBY.format(32), "Lin et al. 2024: sequential, width 32, 599 424"),
    "superb/parallel": (
        _PARALLEL.format(32),
        "Lin et al. 2024: reads the input of the layer, width 32, 599 424",
    ),
    "superb/lora": ("lora(rank=8, alpha=1)@attn.q,attn.v", "Lin et al. 2024: scale 1/8, 294 912"),
    "superb/bitfit": ("bias", "Lin et al. 2024: 101 376"),
    "superb/lnfit": ("norm", "Lin et al. 2024, code: 36 864"),
    "superb/hybrid": (
        f"lora(rank=2, alpha=1)@attn.q,attn.v + {_HOULSBY.format(10)} + {_PARALLEL.format(10)}",
        "Lin et al. 2024: LoRA, sequential and parallel adapter in one layer, 461 040",
    ),
    "superb/adapterbias": ("adapterbias", "Chen et al. 2023: 46 092"),
    "superb/chapter": (
        f"chapter + {_HOULSBY.format(32)}",
        "Chen et al. 2023 (CHAPTER): CNN adapters and sequential adapters, 4 799 872",
    ),
    "elp/full": ("full@layer", "Inoue et al. 2024, baseline: the transformer layers, 85 064 688"),
    "elp/conventional": (
        "e-adapter@attn,ffn + norm",
        "Otake et al. 2023: after both blocks, 9 535 488",
    ),
    "elp/e": ("e-adapter + norm", "Otake et al. 2023: E-adapters alone, 4 786 176"),
    "elp/l": (
        "l-adapter",
        "Otake et al. 2023: L-adapters alone, 4 737 036 as in the table; the published runs "
        "also train the norms of the layers, which is l-adapter + norm, 4 773 900",
    ),
    "elp/le": (
        "l-adapter + e-adapter[:-1] + norm",
        "Otake et al. 2023: L-adapters, and E-adapters in all layers but the last, 9 127 436",
    ),
    "elp/elp": (
        "l-adapter + e-adapter[:-1] + p-adapter + norm",
        "Inoue et al. 2024: L-, E- and P-adapters; the paper does not state the number of pseudo "
        "features",
    ),
    "elp/lp": (
        "l-adapter + p-adapter + norm",
        "Inoue et al. 2024 without E-adapters: L- and P-adapters",
    ),
    "elp/ep": (
        "e-adapter[:-1] + p-adapter + norm",
        "Inoue et al. 2024 without L-adapters: E- and P-adapters",
    ),
    "peft-ser/adapter": (
        "bottleneck(insertion=parallel, position=before, residual=true, width=128, "
        "activation=relu, scale=0.1, dropout=0.1, reads=norm.attn)@ffn",
        "Feng & Narayanan 2023 (PEFT-SER): reads the input of the attention's norm, 2 370 048",
    ),
    "peft-ser/adapter-l": (
        "bottleneck(position=before, width=128, activation=relu, scale=0.05, dropout=0.1)@norm.ffn",
        "Feng & Narayanan 2023 (PEFT-SER): LN(2 s + 0.1 A(s)), which is LN(s + 0.05 A(s)) except "
        "for epsilon, 2 370 048",
    ),
    "peft-ser/prompt": (
        "prompt(length=5, init=xavier)@layer",
        "Feng & Narayanan 2023 (PEFT-SER): five prompts in each layer, 46 080",
    ),
    "peft-ser/lora": (
        "lora(rank=16, alpha=1)@ffn.in,ffn.out",
        "Feng & Narayanan 2023 (PEFT-SER): 1 474 560",
    ),
    "peft-ser/combined": (
        "prompt(length=1, init=xavier)@layer + lora(rank=32, alpha=1)@ffn.in,ffn.out"
        " + bottleneck(position=before, width=128, activation=relu, scale=0.05, dropout=0.1)"
        "@norm.ffn",
        "Feng & Narayanan 2023 (PEFT-SER): prompt, LoRA and adapter, 5 328 384",
    ),
    "sure/convadapter": (
        "conv-adapter",
        "Li et al. 2023 (SURE): after each layer, 3 403 776 in 24 layers of width 1024",
    ),
    "sure/prefix": (
        "prefix(length=30, dropout=0.1)",
        "Li et al. 2023 (SURE): 30 keys and values, 1 474 560 in 24 layers of width 1024",
    ),
}

PRESETS: Final[dict[str, Preset]] = {
    "linear": Preset("linear", "linear probe: only the head is trained"),
    "full": Preset("full@backbone", "full fine-tuning: everything is trained"),
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
        "He et al. 2022: in parallel with the feed-forward block, width 64",
    ),
    "pfeiffer": Preset(
        "bottleneck(reduction=16, activation=relu)@ffn",
        "Pfeiffer et al. 2021: after the feed-forward block, reduction 16",
    ),
    "houlsby": Preset(
        "bottleneck(reduction=16, activation=silu)@attn,ffn",
        "Houlsby et al. 2019: after attention and feed-forward block, reduction 16",
    ),
    "ia3": Preset("scale@attn.k,attn.v,ffn.act", "Liu et al. 2022: (IA)^3"),
    "ssf": Preset(
        "scale(shift=true)@attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out,norm.attn,norm.ffn",
        "Lian et al. 2022: scale and shift",
    ),
    "top-3": Preset("full@layer[-3:]", "partial fine-tuning: the top three layers"),
    "ast/full": Preset("full@backbone", "Cappellazzo et al. 2023, table I: full fine-tuning"),
    "ast/bitfit": Preset(
        "bias@attn.q,attn.k,attn.v,attn.o,ffn.in,ffn.out,norm.attn,norm.ffn,norm.final",
        "Cappellazzo et al. 2023, table I: BitFit, 102 144",
    ),
    **{
        f"ast/{name}": Preset(
            f"{expression} + norm@norm.final" if expression else "norm@norm.final",
            f"Cappellazzo et al. 2023, {source}",
        )
        for name, (expression, source) in _AST.items()
    },
    **{
        f"ser/{'+'.join(chosen)}": Preset(
            " + ".join(_SER[one] for one in chosen),
            "Lashkarashvili et al. 2024; the paper states neither rank nor width",
        )
        for number in range(1, len(_SER) + 1)
        for chosen in combinations(_SER, number)
    },
    **{name: Preset(*both) for name, both in _SPEECH.items()},
    "whisper/lora": Preset(
        f"lora(rank=32, alpha=64, dropout=0.05)@{_QV}",
        "peft's example for Whisper: queries and values of all attention, 3 538 944",
    ),
    "whisper/lora-all": Preset(
        f"lora(rank=32, alpha=64, dropout=0.05)@{_WHOLE}",
        "Hu et al. 2021 at every linear of encoder and decoder, 12 976 128",
    ),
    "whisper/lora-decoder": Preset(
        "lora(rank=32, alpha=64, dropout=0.05)@dec.attn.q,dec.attn.v,dec.cross.q,dec.cross.v",
        "whisper/lora in the decoder alone, so that the encoder's output is cached, 2 359 296",
    ),
    "whisper/bottleneck": Preset(
        "bottleneck(width=64)@ffn,dec.ffn",
        "after the feed-forward blocks of encoder and decoder, 2 379 264",
    ),
}
