"""Training sets packed into one file, for machines without the data and their readers.

What belongs here writes and reads that file: flat tensors as safetensors (``files``), or compressed
images as near to the original as a limit of bytes allows (the other modules). Writing from a recipe
(``recipe``) reads annotations and is imported by name.
"""

from karyoscope.training.packed.files import read_packed, read_packed_validation, write_packed

__all__ = ["read_packed", "read_packed_validation", "write_packed"]
