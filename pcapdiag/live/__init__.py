"""Capturing from an interface: the packets while they come, and what they look like so far.

Unlike what is below, this reads clocks and starts processes.  It knows nothing of command lines or terminals.
"""
