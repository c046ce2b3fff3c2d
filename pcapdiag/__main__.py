"""``python -m pcapdiag``."""

import sys

from pcapdiag.cli import main

if __name__ == "__main__":
    sys.exit(main())
