"""``python -m pcapdiag.settings``: the catalogue's size, and what in it was not checked against a source.

With ``--from-memory`` only the unchecked entries, one to a line.
"""

from __future__ import annotations

import sys

from pcapdiag.settings.catalog import from_memory, load


def main(arguments: list[str]) -> int:
    unchecked = from_memory()
    if "--from-memory" in arguments:
        for product_id, name in unchecked:
            print(f"{product_id}\t{name}")
        return 0
    products = load().products.values()
    for product in products:
        print(f"{product.id}: {len(product.settings)} settings, {len(product.facts)} facts")
    print(f"from memory: {', '.join(f'{product_id} {name}' for product_id, name in unchecked) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
