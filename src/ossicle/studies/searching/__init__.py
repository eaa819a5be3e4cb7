"""The report of searches: strategies against controls, what they cost, and what they found.

Used by `ossicle study search`, whose trials are those of the runner `search`, and by `ossicle
search`. An outcome is one search with one strategy and one seed. Its label `recipe` is the
strategy, as it was asked for. Its `Measured` is that of the answer, retrained from scratch and
tested once. Its facts are plain JSON data:

    strategy        name with settings, as it was asked for
    is_control      whether every search reports it beside the strategy that was asked for
    cost_epochs     epochs trained by the search, without the training of the answer
    cost_steps      optimiser steps of these epochs; null if unknown
    recipe          expression of the answer
    candidates      names of the candidates, in the order of their gates
    choice          candidate of each layer, by its number as text; names joined by `+` where a
                    layer has several; missing where an answer is not a choice by layer
    gates           a list with an entry for each epoch: the gate of each candidate, by layer
    front           [[parameters, score, recipe], ...]: validation metric, higher being better, of
                    what was tried and is not dominated
    importance      importance of each layer, from layer 0, of a probe
    continued       {"metrics": {...}, "parameters": N}: test metrics of the answer trained on from
                    the searched weights, and its parameters without the head; missing where there
                    is nothing to continue from

Only `strategy`, `is_control`, `cost_epochs` and `recipe` must be there.
"""
