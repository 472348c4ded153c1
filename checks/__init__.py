"""The invariants that no single file can show: one check a file, found by being here."""
