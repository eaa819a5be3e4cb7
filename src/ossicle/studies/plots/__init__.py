"""The plots of studies as data: one file a kind of plot."""
