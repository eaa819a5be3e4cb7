"""Layer numbers as text, as in Python: `6:12`, `-2:` or `0,3,7`."""

from ossicle.errors import RecipeError, RecipeMismatch


def layer_parts(text: str) -> list[int | slice]:
    """Return the numbers and ranges of a text.

    Raises:
        RecipeError: it cannot be read.
    """
    parts: list[int | slice] = []
    for part in text.split(","):
        try:
            bounds = [int(bound) if bound.strip() else None for bound in part.split(":")]
        except ValueError:
            bounds = []
        if len(bounds) == 1 and bounds[0] is not None:
            parts.append(bounds[0])
        elif len(bounds) == 2:
            parts.append(slice(*bounds))
        else:
            raise RecipeError(f"layers '{text:.80}' cannot be read; write 6:12, -2: or 0,3,7")
    return parts


def select_layers(text: str, num_layers: int, what: str) -> list[int]:
    """Return the selected layer numbers of a backbone, ascending.

    Args:
        text: The layers.
        num_layers: Number of layers of the backbone.
        what: What names the layers, for messages.

    Raises:
        RecipeError: the text cannot be read.
        RecipeMismatch: the backbone has no such layer, or no layer is selected.
    """
    chosen: set[int] = set()
    for part in layer_parts(text):
        if isinstance(part, slice):
            chosen.update(range(num_layers)[part])
        elif -num_layers <= part < num_layers:
            chosen.add(part % num_layers)
        else:
            raise RecipeMismatch(
                f"'{what}' names layer {part}; this backbone has {num_layers} layers, "
                f"numbered from 0 to {num_layers - 1}"
            )
    if not chosen:
        raise RecipeMismatch(f"'{what}' selects none of the {num_layers} layers of this backbone")
    return sorted(chosen)
