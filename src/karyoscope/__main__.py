"""``python -m karyoscope``."""

from karyoscope.cli import main

main()
