"""Problems: composed from a feature tree, ingested from files or one's own code, or synthesized by a model.

Stage `problems`; `problems.build_problems` is the entry point. `features` holds the tree, `composition` turns a
combination of features into a problem with tests, `ingest` takes foreign files in `formats`, `own_code` and
`synthesis` are packages of their own, `injection` puts bugs into references.
"""
