"""The stages of the flow: each turns an iterable of one noun into an iterator of the next."""
