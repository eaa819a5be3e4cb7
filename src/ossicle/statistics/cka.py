"""Linear centred kernel alignment (CKA): how similar two representations of recordings are.

    CKA(X, Y) = ||X' Y||^2 / (||X' X|| ||Y' Y||)    Frobenius norms, columns of X and Y centred

From 0 to 1; 1 if they differ by rotation and scale only. Rows are recordings, the same in both;
widths may differ. It is biased towards 1 where there are fewer recordings than dimensions, so only
values from equally many recordings can be compared.

Source: Kornblith et al. 2019, https://arxiv.org/abs/1905.00414, section 3.
"""

import numpy as np
from jaxtyping import Float


def linear_cka(first: Float[np.ndarray, "N D"], second: Float[np.ndarray, "N E"]) -> float:
    """Return the linear CKA of two representations of the same N recordings.

    Returns:
        0 where one of them is the same for all recordings.

    Raises:
        ValueError: they are not of equally many recordings, or of fewer than two.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"representations of {len(first)} and {len(second)} recordings")
    return float((similarities(first) * similarities(second)).sum())


def similarities(vectors: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N N"]:
    """Return the centred similarities of recordings, of norm 1; zeros if all are the same.

    The linear CKA of two representations is the sum of the products of theirs.
    """
    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(axis=0)
    products = centred @ centred.T
    norm = np.linalg.norm(products)
    scale = np.linalg.norm(np.asarray(vectors, np.float64)) ** 2
    return np.zeros_like(products) if norm <= 1e-12 * scale else products / norm
