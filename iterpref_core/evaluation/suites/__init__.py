"""The suites, a folder each. `begun_answers` and `published_tasks` are shared by several of them."""
