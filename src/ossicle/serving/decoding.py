"""From the bytes of a recording to waves at the sample rates of the backbones."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ossicle.data import load_wave
from ossicle.data.decode import Wave
from ossicle.errors import AudioError
from ossicle.serving.refusal import bad_audio


def decode(data: bytes, rates: Sequence[int]) -> dict[int, Wave]:
    """Return a recording at each of several sample rates.

    Args:
        data: The content of its file.
        rates: The sample rates, in Hz.

    Raises:
        Refusal: it cannot be decoded, is silent, or has no samples.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            return {rate: load_wave(file.name, rate) for rate in rates}
        except AudioError as error:
            raise bad_audio(str(error).replace(str(Path(file.name)), "the recording")) from error
