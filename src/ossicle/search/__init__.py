"""Search for an adapter: which method, in which layers, how large, for given data and budget."""
