"""Write a PyTorch checkpoint's weights to a .wts: the same as `wtsnet export`.

    python tools/gen_wts.py CHECKPOINT [-o OUT.wts] [--key KEY] [--strip-prefix module.] [--dry-run]

The checkpoint's code is neither needed nor run, so this file need not be copied to where that code is.
"""

from __future__ import annotations

import sys

import typer

from wtsnet.cli.export import export
from wtsnet.errors import WtsnetError


def main() -> None:
    try:
        typer.run(export)
    except WtsnetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
