"""Trials of a study: what each is, where its result lies, and the engines that run them."""
