"""Nuclei, and faults of the slide, as outlines in text: GeoJSON, the JSON of HoVer-Net."""
