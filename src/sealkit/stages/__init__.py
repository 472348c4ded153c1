"""The stages, one module each, by domain: `retrieval/index.py` is the stage `retrieval.index`."""
