"""OpenSubsonic under ``/rest/``: the protocol of many music players, read-only.

``answers`` has its envelope and errors, ``login`` its logins, ``catalogue`` the artists and albums
with their ids, ``values`` the elements of its answers, ``endpoints`` the table of what is served,
and ``routes`` the one route. The protocol is described at https://opensubsonic.netlify.app.
"""
