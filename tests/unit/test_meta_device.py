"""Modules are imported outside of the meta device: their tensors need data.

torchaudio, which transformers imports for spectrograms, makes a constant when it is imported.
"""

import subprocess
import sys

import pytest

WATCH = """
import sys
import torch

torch.get_default_device()  # imports what it needs itself

class Watch:
    def find_spec(self, name, path=None, target=None):
        if torch.get_default_device().type == "meta" and not name.startswith("torch."):
            print(name)

sys.meta_path.insert(0, Watch())
from ossicle.backbones import FAMILIES, random_backbone

for name, family in FAMILIES.items():
    random_backbone(family, family.tiny(), name, weights=False)
print("done")
"""


@pytest.mark.thorough
def test_no_module_is_imported_on_the_meta_device():
    done = subprocess.run([sys.executable, "-c", WATCH], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
