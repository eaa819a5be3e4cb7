"""Where an adapter may stand: named sites, the same names for every family. Plain data."""

from ossicle.anatomy.names import LAYER_SITES, OUTER_SITES, SITE_NAMES
from ossicle.anatomy.site import Anatomy, Port, Site, layer_sites, module_site, region

__all__ = [
    "LAYER_SITES",
    "OUTER_SITES",
    "SITE_NAMES",
    "Anatomy",
    "Port",
    "Site",
    "layer_sites",
    "module_site",
    "region",
]
