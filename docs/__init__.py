"""The pages of the documentation, and in `docs.site` what makes the generated ones."""
