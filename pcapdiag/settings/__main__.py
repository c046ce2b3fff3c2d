"""``python -m pcapdiag.settings``: the catalogue's size, what in it was not checked, and what it leaves open.

With ``--from-memory`` only the entries that no source was checked for, one to a line; with ``--holes`` only the
knobs that a product must answer for and does not.  The exit code is 1 where there is a hole.
"""

from __future__ import annotations

import sys

from pcapdiag.settings.catalog import from_memory, load
from pcapdiag.settings.coverage import holes


def main(arguments: list[str]) -> int:
    unchecked = from_memory()
    if "--from-memory" in arguments:
        for product_id, name in unchecked:
            print(f"{product_id}\t{name}")
        return 0
    open_cells = holes()
    if "--holes" not in arguments:
        products = load().products.values()
        for product in products:
            print(
                f"{product.id}: {len(product.settings)} settings, {len(product.absences)} it has none for,"
                f" {len(product.facts)} facts; as of {product.checked}"
            )
        settings = sum(len(product.settings) for product in products)
        absences = sum(len(product.absences) for product in products)
        print(f"together: {len(products)} products, {settings} settings, {absences} said to be missing")
        print(f"from memory: {len(unchecked)}, listed by --from-memory")
    for cell in open_cells:
        print(f"open: {cell.product.id} {cell.knob}")
    return 1 if open_cells else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
