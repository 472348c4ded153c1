"""Bytes to values: one module a medium. Strict, bounded, and nothing that is read is ever executed or unpickled."""
