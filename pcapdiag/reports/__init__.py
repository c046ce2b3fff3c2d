"""Renderers of the Report: text, JSON, CSV.

They see nothing else, and they escape whatever came from packets.
"""
