"""Messages to a webhook: the end of a sweep, failures, and a better best."""
