"""Stages that need nothing but the core install, to see what the engine makes of good and bad ones."""
