"""Masked genotype retrieval: panels of phased haplotypes, windows, masks, indexes of haplotypes, training and imputation."""
