"""The packets of chosen connections, by a second walk over the files: ladders, and captures of their own."""
