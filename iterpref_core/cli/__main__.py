"""`python -m iterpref_core.cli`: the verbs of the library, which processes that train together are started with."""

from . import main

if __name__ == "__main__":
    main()
