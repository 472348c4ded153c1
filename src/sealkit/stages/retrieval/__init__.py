"""Dense retrieval: data, fine-tuning, export, index, search and evaluation."""
