"""Checks of the catalogue's snippets, each by the tool of its own language or product."""
