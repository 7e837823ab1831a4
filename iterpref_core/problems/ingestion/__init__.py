"""Turn published sets and own files into problems whose tests pass right programs and fail wrong ones."""
