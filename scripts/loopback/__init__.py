"""What prove_live.py runs, watches and compares."""
