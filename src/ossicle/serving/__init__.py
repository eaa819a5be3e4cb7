"""Trained adapters over HTTP: many on one backbone, in batches across adapters.

request -> requests.py -> engine.py -> decoding.py: bytes -> waves, in a process of its own
-> catalogue.py: names -> adapters
-> residents.py: adapters -> a bank, loaded from disk
-> batcher.py: rows of all requests -> one pass of the bank
-> decoded answers
"""
