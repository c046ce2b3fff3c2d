"""The lab: network namespaces, real clients and servers in them, captures of their traffic, and the truth beside these."""
