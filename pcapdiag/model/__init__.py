"""The vocabulary that every stage shares: words, tables, the report.  No I/O, imports nothing above itself."""
