"""The published contracts, as data: schemas with their examples, layouts, and the registry of metric keys."""
