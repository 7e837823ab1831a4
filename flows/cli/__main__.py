"""`python -m flows.cli`, as `iterpref`."""

from flows.cli import main

if __name__ == "__main__":
    main()
