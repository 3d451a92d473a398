"""What a user may configure: one module per `params:` group, pydantic only, nothing heavy to import."""
