"""The plots of studies as data: one file a kind of plot."""

from ossicle.studies.plots.confusion import confusion, confusion_of
from ossicle.studies.plots.cost import peak_memory, train_time
from ossicle.studies.plots.curves import curves
from ossicle.studies.plots.det import det_curves
from ossicle.studies.plots.groups import for_each_panel
from ossicle.studies.plots.heat import data_maps, metric_map
from ossicle.studies.plots.layers import layer_weights
from ossicle.studies.plots.learning import learning_curves
from ossicle.studies.plots.parameters import parameters
from ossicle.studies.plots.ranks import critical_difference
from ossicle.studies.plots.standard import standard_figures
from ossicle.studies.plots.tsne import embedding_map, store_embeddings

__all__ = [
    "confusion",
    "confusion_of",
    "critical_difference",
    "curves",
    "data_maps",
    "det_curves",
    "embedding_map",
    "for_each_panel",
    "layer_weights",
    "learning_curves",
    "metric_map",
    "parameters",
    "peak_memory",
    "standard_figures",
    "store_embeddings",
    "train_time",
]
