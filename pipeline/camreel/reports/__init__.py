"""Reports of evaluations and trainings: their data, as text for the terminal, and as self-contained HTML pages.

Nothing here runs a network. `evaluation_report` and `training_report` define the data, `pages` renders it with the
templates in `templates/`, `plots` computes the geometry of the diagrams, `tiles` draws small pictures.
"""
