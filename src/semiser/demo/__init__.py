"""The demo corpus that the project carries, and the generator that made it; every score on it means nothing."""
