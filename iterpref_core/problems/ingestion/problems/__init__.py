"""Problems from rows: their tests are read, their programs run, and what cannot be used has a reason."""
