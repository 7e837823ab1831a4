"""A package, so that a process that a test starts finds it before one of the same name that a dependency installs."""
