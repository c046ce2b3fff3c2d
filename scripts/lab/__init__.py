"""The lab: network namespaces, real clients and servers in them, captures, and the truth beside these."""
