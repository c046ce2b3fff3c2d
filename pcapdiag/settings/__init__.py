"""How each product spells a knob: its name, default by version, what to set, and the snippet that sets it.

Data are the TOML files in ``data/``; :mod:`pcapdiag.settings.catalog` is what the rest of the program calls.
Importing this package reads no file: each question parses what it needs, once.
"""
