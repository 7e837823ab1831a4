"""Read programs as text and as syntax trees, without running them."""
