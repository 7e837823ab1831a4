"""Prompts: text files with fields, CodeFlow's wordings, and questions whose answers have a stated form."""
