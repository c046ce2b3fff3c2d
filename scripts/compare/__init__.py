"""Hold the packet path against tshark and against the truth beside captures."""
