"""Plain references beside the published systems."""
