"""What every other package may import; it imports nothing of ours.

Errors, the table of nuclei, classes, and the helpers that would otherwise be written
again in each package.
"""
