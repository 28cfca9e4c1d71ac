"""Edit sets in files: one module a format, `registry` for all of them."""
