"""`python -m flows.cli`: the same as `iterpref` in a checkout."""

from flows.cli import main

if __name__ == "__main__":
    main()
