"""Nuclei as tables, one row per nucleus: CSV, GeoParquet, SQLite."""
