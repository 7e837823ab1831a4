"""Ingestion: files of published or own problems in, problems out whose right programs pass and wrong ones fail."""
