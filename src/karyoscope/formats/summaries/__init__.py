"""Numbers of a slide rather than of each nucleus: by class, by region, by pair of classes."""
