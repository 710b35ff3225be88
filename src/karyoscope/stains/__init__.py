"""Colour of H&E: separation into stains, normalisation, colour stacks."""
