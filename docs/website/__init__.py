"""Source of the documentation site: docs/*.md as they stand, and a reference made from the code."""
