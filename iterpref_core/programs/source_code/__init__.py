"""Programs as text and as syntax trees: line diff, normal form, scopes, mutants."""
