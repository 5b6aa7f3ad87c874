"""The command line: arguments become a `Config`, the flow does the work."""
