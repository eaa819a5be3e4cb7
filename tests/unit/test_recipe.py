"""Recipes: the grammar, its errors, files, and which layers a placement selects."""

import json

import pytest

from ossicle.errors import RecipeError, RecipeMismatch, UnknownRecipe
from ossicle.methods import Bias, Bottleneck, Full, LoRA, Norm
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.recipes.text import split_recipes


def test_an_expression_is_method_settings_sites_and_layers():
    text = "lora(rank=4, alpha=2.5)@attn.q,attn.v[6:12] + bottleneck(residual=false, lr=1e-3)"
    recipe = Recipe.parse(text)
    assert recipe.placements == (
        Placement(LoRA(rank=4, alpha=2.5), ("attn.q", "attn.v"), "6:12"),
        Placement(Bottleneck(residual=False), ("ffn",), lr=0.001),
    )
    assert recipe.name is None
    assert recipe.label == str(recipe)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("lora", "lora"),
        (" lora( rank = 8 ) @ attn.q , attn.v ", "lora"),  # the defaults are left out
        ("lora(rank=4)@attn.q[0,3,7]", "lora(rank=4)@attn.q[0,3,7]"),
        ("norm[-2:]", "norm[-2:]"),
        ("lora(scale=2)@attn.v", "lora(scale=2)@attn.v"),
        ("lora(reduction=64, scale=alpha/reduction)", "lora(reduction=64, scale=alpha/reduction)"),
        ("bottleneck(residual=TRUE)", "bottleneck(residual=true)"),
        ("bias+norm", "bias + norm"),
        ("full@layer[::2]", None),
        ("linear", "linear"),
    ],
)
def test_text_is_written_back_in_its_shortest_form(text, written):
    if written is None:
        with pytest.raises(RecipeError, match=r"layers '::2' cannot be read"):
            Recipe.parse(text)
        return
    assert str(Recipe.parse(text)) == written
    assert Recipe.parse(written).placements == Recipe.parse(text).placements


def test_methods_are_attached_at_their_default_sites():
    assert Placement(LoRA()).at == ("attn.q", "attn.v")
    assert Placement(Norm()).at == ("norm.attn", "norm.ffn")
    assert Placement(Full()).at == ("backbone",)
    assert len(Placement(Bias()).at) == 8
    assert Placement(LoRA(), ("ffn.in",)).at == ("ffn.in",)


@pytest.mark.parametrize(
    ("layers", "selected"),
    [
        ("6:12", [6, 7, 8, 9, 10, 11]),
        ("-2:", [10, 11]),
        (":2", [0, 1]),
        (":", list(range(12))),
        ("0,3,7", [0, 3, 7]),
        ("7, 3,3", [3, 7]),
        ("-1", [11]),
        ("0,-2:", [0, 10, 11]),
        ("10:99", [10, 11]),  # as in Python
        (None, None),
    ],
)
def test_layers_are_selected_as_in_python(layers, selected):
    assert Placement(LoRA(), layers=layers).select(12) == selected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("12", r"'lora\[12\]' names layer 12; this backbone has 12 layers, .* from 0 to 11"),
        ("-13", "names layer -13"),
        ("0,40", "names layer 40"),
        ("12:", r"'lora\[12:\]' selects none of the 12 layers"),
        ("5:5", "selects none of the 12 layers"),
    ],
)
def test_a_layer_out_of_range_is_a_mismatch(layers, message):
    with pytest.raises(RecipeMismatch, match=message):
        Placement(LoRA(), layers=layers).select(12)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("lroa", UnknownRecipe, "no recipe or method 'lroa'. Did you mean 'lora'?"),
        ("ast/hydra-fn", UnknownRecipe, "Did you mean 'ast/hydra-ffn'?"),
        ("zzzz", UnknownRecipe, "no recipe or method 'zzzz'. Methods: adapterbias, bias"),
        ("lora + lroa", UnknownRecipe, "no recipe or method 'lroa'"),
        ("lora + linear", UnknownRecipe, "'linear' is a preset, which takes no settings"),
        ("ast/lora-q[0]", UnknownRecipe, "use its expression instead: lora(reduction=64, alpha=8"),
        ("", RecipeError, "'' is not a recipe. Write method(setting=value)@site,site[layers]"),
        ("lora +", RecipeError, "'' is not a recipe"),
        ("lora(rank=8", RecipeError, "'lora(rank=8' is not a recipe"),
        ("lora@", RecipeError, "'lora@' is not a recipe"),
        ("lora@ , ", RecipeError, "'lora@ ,' names no site after @"),
        ("lora[1]@attn.q", RecipeError, "is not a recipe"),
        ("lora(rank=8)@attn.qq", RecipeError, "no site 'attn.qq'; available: cnn, attn.q, attn.k"),
        ("lora@attn.qq", RecipeError, "Did you mean 'attn.q'?"),
        ("lora@attn.q,attn.q", RecipeError, "'lora' names the site 'attn.q' twice"),
        ("lora[a:b]", RecipeError, "layers 'a:b' cannot be read; write 6:12, -2: or 0,3,7"),
        ("lora[]", RecipeError, "layers '' cannot be read"),
        ("lora[0:1:2]", RecipeError, "layers '0:1:2' cannot be read"),
        ("lora[1.5]", RecipeError, "layers '1.5' cannot be read"),
        ("lora(rnk=4)", RecipeError, "'lora' has no setting 'rnk'; available: rank, reduction"),
        ("lora(rnk=4)", RecipeError, "Did you mean 'rank'?"),
        ("bias(rank=4)", RecipeError, "'bias' has no setting 'rank'; it has no settings."),
        ("lora(rank)", RecipeError, "'rank' is not a setting; write name=value"),
        ("lora(rank=)", RecipeError, "'rank=' is not a setting"),
        ("lora(=3)", RecipeError, "'=3' is not a setting"),
        ("lora(rank=1.5)", RecipeError, "'rank' of 'lora' is '1.5'; expected a whole number"),
        ("lora(rank=true)", RecipeError, "is 'true'; expected a whole number"),
        ("lora(rank=big)", RecipeError, "is 'big'; expected a whole number"),
        ("lora(alpha=x)", RecipeError, "'alpha' of 'lora' is 'x'; expected a number"),
        ("bottleneck(residual=1)", RecipeError, "is '1'; expected true or false or none"),
        ("bottleneck(insertion=3)", RecipeError, "insertion is '3'; use sequential or"),
        ("lora(rank=0)", RecipeError, "'lora': rank is 0; it must be 1 or more"),
        ("lora(reduction=0.5)", RecipeError, "'lora': reduction is 0.5; it must be 1 or more"),
        ("lora(reduction=nan)", RecipeError, "setting 'reduction' of 'lora' is 'nan'"),
        ("lora(scale=half)", RecipeError, "scale is 'half'; use alpha/rank, alpha/reduction or"),
        ("lora(dropout=1)", RecipeError, "dropout is 1; it must lie in [0, 1)"),
        ("bottleneck(width=0)", RecipeError, "width is 0; it must be 1 or more"),
        ("bottleneck(reduction=0)", RecipeError, "reduction is 0; it must be 1 or more"),
        ("bottleneck(reduction=nan)", RecipeError, "setting 'reduction' of 'bottleneck' is 'nan'"),
        ("bottleneck(insertion=serial)", RecipeError, "insertion is 'serial'; use sequential or"),
        ("bottleneck(position=under)", RecipeError, "position is 'under'; use before or after"),
        ("bottleneck(activation=mish)", RecipeError, "activation is 'mish'; use one of gelu, relu"),
        ("bottleneck(dropout=-0.1)", RecipeError, "dropout is -0.1; it must lie in [0, 1)"),
        ("lora(lr=0)", RecipeError, "lr of 'lora' is 0; expected a number above 0"),
        ("lora(lr=nan)", RecipeError, "lr of 'lora' is 'nan'; expected a number above 0"),
        ("lora(lr=fast)", RecipeError, "lr of 'lora' is 'fast'; expected a number"),
        ("lora(lr=true)", RecipeError, "lr of 'lora' is 'true'"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(text, error, message):
    with pytest.raises(error) as caught:
        Recipe.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "the entry 'placements' is missing"),
        ({"placements": {}}, "placements is {}; expected a list"),
        ({"placements": ["lora"]}, "placements[0] is 'lora'; expected an object"),
        ({"placements": [], "name": 3}, "name is 3; expected a text or null"),
        ({"placement": []}, "there is no entry 'placement'. Did you mean 'placements'?"),
        ({"placements": [{}]}, "the entry 'method' is missing in placements[0]"),
        (
            {"placements": [{"method": ["lora"]}]},
            "placements[0].method is ['lora']; expected a text",
        ),
        (
            {"placements": [{"method": "lora", "site": []}]},
            "there is no entry 'site' in placements[0]. Did you mean",
        ),
        ({"placements": [{"method": "lora", "at": "attn.q"}]}, "at is 'attn.q'; expected a list"),
        ({"placements": [{"method": "lora", "at": [1]}]}, "at[0] is 1; expected a text"),
        ({"placements": [{"method": "lora", "settings": 4}]}, "settings is 4; expected an object"),
        (
            {"placements": [{"method": "lora", "layers": 4}]},
            "layers is 4; expected a text or a list or null",
        ),
        (
            {"placements": [{"method": "lora", "layers": [True]}]},
            "layers[0] is True; expected a whole number",
        ),
        ({"placements": [{"method": "lora", "lr": "1"}]}, "lr is '1'; expected a number or null"),
        ({"placements": [{"method": "lora", "lr": True}]}, "lr is True; expected a number"),
        (
            {"placements": [{"method": "lora", "settings": {"rank": [1]}}]},
            "an entry of placements[0].settings, 'rank', is a list",
        ),
    ],
)
def test_wrong_data_says_what_is_wrong(data, message):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(data)
    assert message in str(caught.value)


def test_layers_of_a_file_may_be_a_list_of_numbers():
    data = {"placements": [{"method": "lora", "layers": [0, 3, -1]}]}
    assert Recipe.from_dict(data).placements[0].select(8) == [0, 3, 7]


def test_plain_data_writes_every_site_out():
    recipe = Recipe.parse("lora(rank=4)[2:] + bias@attn.q")
    assert recipe.to_dict() == {
        "placements": [
            {"method": "lora", "at": ["attn.q", "attn.v"], "settings": {"rank": 4}, "layers": "2:"},
            {"method": "bias", "at": ["attn.q"]},
        ]
    }


@pytest.mark.parametrize("name", ["mine.toml", "mine.json"])
def test_a_file_is_read_back_whole(tmp_path, name):
    recipe = Recipe.parse("lora(rank=4, lr=0.01)@attn.q[0,3] + norm")
    recipe.write(tmp_path / name)
    assert Recipe.read(tmp_path / name) == recipe
    assert Recipe.parse(str(tmp_path / name)) == recipe


def test_a_toml_file_reads_as_a_person_would_write_it(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\n[[placements]]\nmethod = "bottleneck"\nat = ["attn", "ffn"]\n'
        'layers = "-2:"\nlr = 1e-3\n[placements.settings]\nwidth = 32\nresidual = true\n'
    )
    assert Recipe.parse(f" {tmp_path / 'mine.toml'} ") == Recipe(
        Placement(Bottleneck(width=32, residual=True), ("attn", "ffn"), "-2:", 0.001), name="mine"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.toml", None, r"recipe file '.*no\.toml' cannot be read: .*No such file"),
        ("bad.toml", b"= 3", r"bad\.toml' cannot be read"),
        ("bad.json", b"{", r"bad\.json' cannot be read"),
        ("bytes.json", b"\xff\xfe", r"bytes\.json' cannot be read"),
        ("list.json", b"[]", r"list\.json' cannot be read: its top level is a list"),
        ("empty.toml", b"", "the entry 'placements' is missing"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_an_error(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        Recipe.parse(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("lora,bias", ["lora", "bias"]),
        ("lora, bias ,", ["lora", "bias"]),
        ("lora(rank=4, alpha=2),bias", ["lora(rank=4, alpha=2)", "bias"]),
        ("lora@attn.q,attn.v,bias", ["lora@attn.q,attn.v", "bias"]),
        ("lora@attn.q,attn.v[0,3],norm", ["lora@attn.q,attn.v[0,3]", "norm"]),
        ("lora@attn.q,attn.v+bias,norm", ["lora@attn.q,attn.v+bias", "norm"]),
        ("linear,ast/lora-qv,ser/lora+ba", ["linear", "ast/lora-qv", "ser/lora+ba"]),
        ("", []),
    ],
)
def test_a_list_of_recipes_is_split_between_recipes_alone(text, parts):
    assert split_recipes(text) == parts
    assert all(Recipe.parse(part) for part in parts)


def test_a_recipe_is_plain_data_that_compares():
    assert Recipe.parse("lora") != Recipe.parse("lora(rank=4)")
    assert Recipe(Placement(LoRA())).placements == Recipe.parse("lora").placements
    assert json.loads(json.dumps(Recipe.parse("linear").to_dict())) == {
        "name": "linear",
        "placements": [],
    }


def test_a_recipe_prints_as_a_table():
    recipe = Recipe.parse("lora(rank=4)@attn.q,attn.v[6:12] + norm@norm.ffn + bias(lr=1e-4)@ffn.in")
    assert recipe.table().splitlines() == [
        "method  settings  sites           layers  lr",
        "lora    rank=4    attn.q, attn.v  6:12    default",
        "norm    defaults  norm.ffn        all     default",
        "bias    defaults  ffn.in          all     0.0001",
    ]
    assert Recipe.parse("linear").table() == "method  settings  sites  layers  lr"
