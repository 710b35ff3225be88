"""Nuclei as pixels: label images, and outlines drawn on the slide."""
