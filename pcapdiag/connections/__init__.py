"""Track each TCP connection: lifecycle, bytes in order, gaps, who closed; segments in, connection rows out."""
