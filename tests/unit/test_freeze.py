"""Which parts of a run `--freeze` names: by method, number, site and layer."""

import pytest

from ossicle.errors import RecipeError, RecipeMismatch, RunError
from ossicle.training.freeze import check_freeze

PLACES = {  # placement: site and layers of its tensors
    "0": [("attn.q", "012"), ("attn.v", "012")],
    "1": [("ffn", "12")],
    "2": [("layers", "-")],
    "3": [("attn.q", "0")],
}
FACTS = {
    "backbone": {"layers": 3},
    "recipe": {
        "placements": [{"method": name} for name in ("lora", "bottleneck", "weighted-sum", "lora")]
    },
    "tensors": {
        **{
            f"{number}/{layer}/{site}/{tensor}": [1]
            for number, sites in PLACES.items()
            for site, layers in sites
            for layer in layers
            for tensor in ("down", "up.weight")
        },
        "gates/softmax.0": [2],
        "head/linear.weight": [2, 4],
        "head/linear.bias": [2],
    },
}
PARTS = {key.rpartition("/")[0] for key in FACTS["tensors"]}
FIRST = {f"0/{layer}/attn.{name}" for layer in range(3) for name in "qv"}
FFN = {"1/1/ffn", "1/2/ffn"}


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        (None, set()),
        ("lora", FIRST | {"3/0/attn.q"}),
        ("0", FIRST),
        ("3", {"3/0/attn.q"}),
        ("weighted-sum", {"2/-/layers"}),
        ("@layers,@ffn", {"2/-/layers", *FFN}),
        ("@attn.q[0]", {"0/0/attn.q", "3/0/attn.q"}),
        ("lora@attn.v[-2:]", {"0/1/attn.v", "0/2/attn.v"}),
        ("0@attn.q[0,2]", {"0/0/attn.q", "0/2/attn.q"}),
        ("[1:]", {"0/1/attn.q", "0/2/attn.q", "0/1/attn.v", "0/2/attn.v", *FFN}),
        (" bottleneck , head ", {*FFN, "head"}),
        ("gates,head", {"gates", "head"}),
        ("[:], weighted-sum, gates, head", PARTS),
    ],
)
def test_an_item_names_what_its_method_site_and_layers_have_in_common(
    freeze: str | None, frozen: set[str]
) -> None:
    assert check_freeze(freeze, FACTS) == PARTS - frozen


@pytest.mark.parametrize(
    ("freeze", "error", "match"),
    [
        ("ffn", RunError, r"'ffn' names no part .*\. Did you mean '@ffn'\?"),
        ("lora@ffn", RunError, "names no part"),
        ("bottleneck[0]", RunError, r"names no part .* bottleneck@ffn\[1:3\], weighted-sum@layers"),
        ("4", RunError, "names no part"),
        ("lora,,head", RunError, "'' in --freeze is not a part of a run"),
        ("lora(rank=8)", RunError, "is not a part of a run; write a method"),
        ("[3]", RecipeMismatch, r"'\[3\]' names layer 3; this backbone has 3 layers"),
        ("[3:]", RecipeMismatch, "selects none of the 3 layers"),
        ("[a]", RecipeError, "layers 'a' cannot be read; write 6:12, -2: or 0,3,7"),
    ],
)
def test_an_item_that_names_nothing_is_an_error(
    freeze: str, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        check_freeze(freeze, FACTS)
