"""Tables for other programs: typed, named and documented columns, as CSV, NDJSON, Parquet and Arrow.

A layout (``connections``, ``exchanges``, ``findings``) declares a table's columns once; headers, schemas and
``docs/TABLES.md`` are made of it.  A :class:`~pcapdiag.interchange.sheet.Sheet` holds the cells as NumPy arrays, and the
writers go through it by columns.  They judge nothing, and see nothing of the packet path.
"""
