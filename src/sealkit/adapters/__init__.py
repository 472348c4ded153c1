"""Loaders that refuse, for the FAISS stores of other libraries. Each module needs the library that it is named after."""
