"""The tree of the golden audit: what another project's training and evaluation leave behind."""
