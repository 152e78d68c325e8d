"""python -m emulator FOLDER: the daemon of one cluster."""

from .daemon import main

main()
