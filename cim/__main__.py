"""``python -m cim`` is ``cim``."""

from cim.cli import main

main()
