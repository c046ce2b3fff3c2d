"""Live captures: the process that captures, what is kept of it, and with whose rights each part runs.

What came before this folder reads files and no clock; here are the edges: processes, sockets, clocks, privileges.
"""
