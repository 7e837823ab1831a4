"""Ingestion: published sets and own files in, problems out whose tests pass right programs and fail wrong ones."""
