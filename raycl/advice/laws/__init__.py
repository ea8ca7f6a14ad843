"""Published laws, fitted to a user's own losses: one file a law.

A law is a `Law` (raycl/advice/laws/law.py); `fitting.judged` fits any of them and refuses a poor
fit. A further law is a further file, and a function that makes points of it, named in
`raycl/advice/rules/law_points.py`.
"""
