"""The domains of a study: their names, their data strings, and the labels that they share."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ossicle.data.labels import labels_of, with_where
from ossicle.data.roles import LABEL
from ossicle.data.selection import Selection
from ossicle.data.spec import PLUS, Source, find_data
from ossicle.errors import LabelError, RunError, listing
from ossicle.studies.grid import Grid, check_different

if TYPE_CHECKING:
    from ossicle.studies.domains import Domains

_LOGGER: Final = logging.getLogger(__name__)
SHOWN: Final = 20  # labels in a message


def domains_of(study: "Domains", grid: Grid) -> dict[str, str]:
    """Return the data string of each domain by its name, in the order in which they were given.

    Raises:
        RunError: there are fewer than two domains, or domains are given in two ways.
        DataError: the data cannot be read, or no recording is of a domain.
        LabelError: a label is not in all domains, and the study does not leave such labels out.
    """
    values = [part.strip() for part in study.domains.split(",") if part.strip()]
    if values and len(grid.data) > 1:
        raise RunError(
            "--domains divides one --data by a column, and several --data are domains themselves; "
            "leave one of the two out"
        )
    if len(values or grid.data) < 2:
        raise RunError(
            "the study domains needs two or more domains: repeat --data, or give one --data and "
            "--domains A,B with values of its column --by"
        )
    check_different("domains", values or grid.data)
    if values:
        found = {one: with_where(grid.data[0], study.by, [one]) for one in values}
    else:
        found = dict(zip(names_of(grid.data), grid.data, strict=True))
    return with_same_labels(found, common=study.common_labels)


def names_of(specs: Sequence[str]) -> list[str]:
    """Return a short name for each data string: its reader, or what tells it from the others."""
    sources = [list(find_data(spec).values()) for spec in specs]
    readers = [PLUS.join(one.reader for one in some) for some in sources]
    folders = [PLUS.join(one.path.stem for one in some) for some in sources]
    wheres = [PLUS.join(map(_chosen, some)) for some in sources]
    for names in (readers, folders, wheres):
        if len(set(names)) == len(names):
            return names
    return list(specs)


def _chosen(source: Source) -> str:
    """Return which recordings a data string chooses, e.g. `sex=F` or `speaker=theo and 4 more`."""
    wanted = Selection.parse(source.options).wanted
    texts = [
        f"{column}={values[0]}" + (f" and {len(values) - 1} more" if len(values) > 1 else "")
        for column, values in wanted.items()
    ]
    return " ".join(texts) or source.reader


def with_same_labels(domains: Mapping[str, str], *, common: bool) -> dict[str, str]:
    """Return the data strings with the labels that all have, if there are classes at all.

    Raises:
        LabelError: a label is not in all domains, and `common` is not set; or none is.
    """
    try:
        labels = {name: set(labels_of(spec)) for name, spec in domains.items()}
    except LabelError:  # transcripts and numbers are no classes
        return dict(domains)
    shared = set.intersection(*labels.values())
    extra = {name: sorted(some - shared) for name, some in labels.items() if some - shared}
    if not extra:
        return dict(domains)
    told = "; ".join(f"{name}: {listing(some, SHOWN)}" for name, some in extra.items())
    if len(shared) < 2:
        raise LabelError(
            f"the domains have {len(shared) or 'no'} label{'' if len(shared) == 1 else 's'} in "
            f"common, and training needs two. Labels that not all have are {told}. Give labels of "
            "the same meaning the same name with --map-labels"
        )
    if not common:
        raise LabelError(
            f"not all domains have the same labels. Labels that not all have are {told}. Give "
            "labels of the same meaning the same name with --map-labels, or leave the recordings "
            "with these labels out with --common-labels"
        )
    _LOGGER.warning(f"Recordings with labels that not all domains have are left out: {told}.")
    wanted = sorted(shared)
    return {
        name: with_where(spec, LABEL, wanted) if name in extra else spec
        for name, spec in domains.items()
    }
