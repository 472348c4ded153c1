"""Stages that start processes of their own."""
