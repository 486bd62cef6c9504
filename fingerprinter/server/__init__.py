"""The HTTP service: the API, its jobs, and the files of the web page.

`fingerprinter.server.run.serve` starts it. This package needs the extra ``server``.
"""
