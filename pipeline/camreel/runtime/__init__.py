"""Threads, files, hardware and statistics: what the flow runs on, whatever flows."""
