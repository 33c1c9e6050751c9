"""An HTTP server that behaves like Octopus Deploy's REST API, for tests and for trying things out.

It shares no code with the rest of the plugin, so that it can bear witness against it. What it
knows comes from the published Octopus REST API reference and Octopus's official clients; what no
source shows is marked UNVERIFIED where it is decided.
"""
