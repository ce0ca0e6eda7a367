"""Write a PyTorch checkpoint's weights to a .wts: the same as `wtsnet export`.

    python tools/gen_wts.py CHECKPOINT [-o OUT.wts] [--key KEY] [--strip-prefix module.] [--dry-run]

The checkpoint's code is neither needed nor run, so this file need not be copied to where that code is.
"""

from __future__ import annotations

import typer

from wtsnet.cli import export, run_app


def main() -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(export)
    run_app(app)


if __name__ == "__main__":
    main()
