"""Prefect tasks: one file per stage, each a thin task around one call of the core, paths in and paths out.

`common` holds what these tasks are made of, `recording` what is told about them (DVC's graph, journal, MLflow),
`orchestration` what runs DVC's stages one after the other.
"""
