"""Build the chart library of the HTML report: Apache ECharts, only what the report draws with.

    python scripts/vendor_echarts.py

Needs node and npm.  Fetches the pinned versions from the npm registry, bundles what ``ENTRY`` names with esbuild and
writes ``pcapdiag/reports/html/assets/echarts.min.js`` with the notices of all that is in it at its head, and
``ECHARTS-LICENSE.txt`` beside it.  The result is committed: who installs pcapdiag needs no node.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

VERSIONS = {"echarts": "6.1.0", "zrender": "6.1.0", "esbuild": "0.28.2"}
ASSETS = Path(__file__).parent.parent / "pcapdiag" / "reports" / "html" / "assets"

# SVG, since it prints sharp and a chart has no more than some thousand marks at a time.
ENTRY = """
import { use, init } from 'echarts/core';
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { AriaComponent, DataZoomComponent, GridComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent }
    from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
use([BarChart, CustomChart, LineChart, AriaComponent, DataZoomComponent, GridComponent, MarkAreaComponent,
     MarkLineComponent, TooltipComponent, SVGRenderer]);
export { init };
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pinned = {key: version for key, version in VERSIONS.items() if key != "zrender"}
        package = {"private": True, "dependencies": pinned, "overrides": {"zrender": VERSIONS["zrender"]}}
        (folder / "package.json").write_text(json.dumps(package))
        (folder / "entry.js").write_text(ENTRY)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        subprocess.run(
            [
                "npx", "esbuild", "entry.js", "--bundle", "--minify", "--format=iife", "--global-name=echarts",
                "--legal-comments=none", "--target=es2020", "--charset=ascii",
                '--define:process.env.NODE_ENV="production"', "--outfile=out.js",
            ],
            cwd=folder,
            check=True,
        )  # fmt: skip
        modules = folder / "node_modules"
        notices = notices_of(modules)
        built = (folder / "out.js").read_text(encoding="ascii").strip()
        licenses = "\n\n".join(
            (modules / path).read_text(encoding="utf-8").strip()
            for path in ("echarts/LICENSE", "echarts/licenses/LICENSE-d3", "zrender/LICENSE", "tslib/LICENSE.txt")
        )
    if "</script" in built.lower() or "<!--" in built:
        raise SystemExit("the bundle would end its own element")
    ASSETS.mkdir(exist_ok=True)
    (ASSETS / "echarts.min.js").write_text(f"/*!\n{notices}\n*/\n{built}\n", encoding="ascii")
    (ASSETS / "ECHARTS-LICENSE.txt").write_text(f"{notices}\n\n{licenses}\n", encoding="utf-8")
    print(f"{len(built):,} bytes")


def notices_of(modules: Path) -> str:
    """What each license asks to be told wherever the code goes; a report carries the code."""
    notice = (modules / "echarts/NOTICE").read_text(encoding="utf-8").strip()
    zrender = (modules / "zrender/LICENSE").read_text(encoding="utf-8").strip()
    d3 = (modules / "echarts/licenses/LICENSE-d3").read_text(encoding="utf-8").strip()
    for name in ("echarts", "zrender"):
        found = json.loads((modules / name / "package.json").read_text(encoding="utf-8"))["version"]
        if found != VERSIONS[name]:
            raise SystemExit(f"{name} {found} was installed, {VERSIONS[name]} is pinned")
    return (
        f"Apache ECharts {VERSIONS['echarts']}, a part of it, bundled by scripts/vendor_echarts.py of pcapdiag.\n"
        f"Licensed under the Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0\n\n{notice}\n\n"
        f"It contains code of d3:\n\n{d3}\n\nIt contains ZRender {VERSIONS['zrender']}:\n\n{zrender}\n\n"
        "It contains tslib (0BSD), Copyright (c) Microsoft Corporation."
    )


if __name__ == "__main__":
    main()
