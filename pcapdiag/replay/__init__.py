"""Replay: what a pool's own demand would have cost under other settings, once the replay reproduces what it did cost."""
