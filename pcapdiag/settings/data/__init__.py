"""The catalogue's TOML files; ``pcapdiag.settings.reading`` documents their keys and refuses any other."""
