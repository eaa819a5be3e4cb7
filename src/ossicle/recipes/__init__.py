"""Recipes: which method, at which sites, in which layers."""
