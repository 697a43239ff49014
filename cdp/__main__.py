"""`python -m cdp`."""

from cdp.cli import main

main()
