"""`python -m wtsnet`: the command line."""

from wtsnet.cli import main

main()
