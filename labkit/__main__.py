"""`python -m labkit` is the `labkit` command, also where scripts are not on the path."""

from labkit.cli import main

main(prog_name="labkit")
