"""`python -m iterpref_core.cli`: the same as `iterpref`."""

from iterpref_core.cli import main

if __name__ == "__main__":
    main()
