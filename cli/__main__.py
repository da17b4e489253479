"""`python -m cli`: the same as the command `frontrow`."""

from cli.main import main

main()
