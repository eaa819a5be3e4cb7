"""Softmax losses with a margin: cross-entropy of cosines, with that of the own class reduced.

    softmax       W e                                                  products, without a margin
    am-softmax    s (cos(W, e) - m [own class])                        Wang et al. 2018
    aam-softmax   s cos(angle(W, e) + m [own class])                   Deng et al. 2019

For angles beyond pi - m, where the cosine would rise again, aam-softmax goes on as a line, as in
its authors' code.

Sources: Wang et al. 2018, https://arxiv.org/abs/1801.05599; Deng et al. 2019,
https://arxiv.org/abs/1801.07698.
"""

import math
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MARGIN_LOSSES: Final = {  # loss -> published scale and margin
    "softmax": (1.0, 0.0),
    "am-softmax": (30.0, 0.4),
    "aam-softmax": (15.0, 0.3),
}


def margin_logits(
    products: Float[Tensor, "B C"],
    cosines: Float[Tensor, "B C"],
    numbers: Int[Tensor, " B"],
    *,
    loss: str,
    scale: float,
    margin: float,
) -> Float[Tensor, "B C"]:
    """Return the logits whose cross-entropy is the loss.

    Args:
        products: Dot products of embeddings and class weights.
        cosines: Cosines of embeddings and class weights.
        numbers: The own class of each row.
        loss: One of `MARGIN_LOSSES`.
        scale: The factor s.
        margin: The margin m, of the cosine in am-softmax and of the angle (radians) in aam-softmax.
    """
    if loss == "softmax":
        return products * scale
    own = F.one_hot(numbers, cosines.shape[1]).bool()
    if loss == "am-softmax":
        return scale * torch.where(own, cosines - margin, cosines)
    sines = (1 - cosines.square()).clamp(min=1e-9).sqrt()
    turned = cosines * math.cos(margin) - sines * math.sin(margin)
    line = cosines - math.sin(math.pi - margin) * margin
    turned = torch.where(cosines > math.cos(math.pi - margin), turned, line)
    return scale * torch.where(own, turned, cosines)
