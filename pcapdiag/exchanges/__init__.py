"""Frame requests and responses inside the bytes of a connection: exchange rows, exact or marked as bounds."""
