"""Predictions and models against annotated images: scores, figures, tuned parameters."""
