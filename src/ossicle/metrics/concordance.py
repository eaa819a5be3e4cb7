"""Concordance correlation coefficient, CCC.

    ccc = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)

Source: Lin 1989, "A concordance correlation coefficient to evaluate reproducibility", eq. 2, with
variances that divide by the number of values, as there.
"""

import numpy as np
from jaxtyping import Float


def concordance(prediction: Float[np.ndarray, " N"], target: Float[np.ndarray, " N"]) -> float:
    """Return the concordance of two series, from -1 to 1; 0 where both are constant.

    Args:
        prediction: Values in the unit of `target`.
        target: Annotated values, e.g. arousal on 1 to 7.
    """
    covariance = float(((prediction - prediction.mean()) * (target - target.mean())).mean())
    spread = float(prediction.var() + target.var() + (prediction.mean() - target.mean()) ** 2)
    return 2 * covariance / spread if spread else 0.0
