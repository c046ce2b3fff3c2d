"""Decode link layer, VLAN, IPv4 and IPv6, TCP: a packet becomes a segment, or is counted as undecoded."""
