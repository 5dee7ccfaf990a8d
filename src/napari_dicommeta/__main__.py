"""Entry point of ``python -m napari_dicommeta``, the command line."""

import sys

from napari_dicommeta.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
