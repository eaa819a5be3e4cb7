"""Named sites where adapters can be attached; the same names for every family, as plain data."""

from ossicle.anatomy.names import (
    CNN_SITES,
    DECODER,
    DECODER_SITES,
    LAYER_SITES,
    OUTER_SITES,
    SITE_NAMES,
    is_in_decoder,
    role_of,
)
from ossicle.anatomy.site import (
    END,
    FEATURES,
    VALUES,
    Anatomy,
    Convolution,
    Port,
    Site,
    layer_sites,
    module_site,
    region,
    whole_sites,
)

__all__ = [
    "CNN_SITES",
    "DECODER",
    "DECODER_SITES",
    "END",
    "FEATURES",
    "LAYER_SITES",
    "OUTER_SITES",
    "SITE_NAMES",
    "VALUES",
    "Anatomy",
    "Convolution",
    "Port",
    "Site",
    "is_in_decoder",
    "layer_sites",
    "module_site",
    "region",
    "role_of",
    "whole_sites",
]
