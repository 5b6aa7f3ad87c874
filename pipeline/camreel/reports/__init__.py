"""What an evaluation found: as data, text and a page with pictures."""
