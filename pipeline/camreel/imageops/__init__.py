"""Pure functions on pictures that several stages share."""
