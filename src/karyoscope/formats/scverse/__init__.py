"""Nuclei for scanpy, squidpy and spatialdata: AnnData and SpatialData."""
