"""A workspace by content: which model came from which, who loaded it, and what stands on what."""
