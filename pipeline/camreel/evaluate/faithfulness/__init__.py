"""Whether maps say what the network used: what becomes of a class's score while parts of a clip are removed.

Deletion and insertion (Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018), carried
over to time. For a class that is performed in a video, one clip of the network's own length is taken from where the class's logit
is largest, with the pictures that the network saw and the maps that the program made of them. Its cells are then removed in the
order of their evidence, over space and time at once, and the score is read ten times on the way:

- deletion: cells are blurred, those of most evidence first. If the network used them, the score falls at once.
- insertion: cells are brought back into the blurred clip in the same order. If they are what it used, the score rises at once.
- temporal deletion: whole samples become like the nearest one that is kept, so that motion goes and no black frames come.

Each is the area under the score over the share that is removed or brought back. The score is that after softmax or sigmoid, as it
is: RISE does not divide it by that of the whole clip. RISE blurs for insertion and blackens for deletion; here both blur, as black
is itself something to see. Beside each stands the same in an order of chance.
"""

from __future__ import annotations

from camreel.evaluate.faithfulness.perturbation_test import Budget, Removals, Trial

__all__ = ["Budget", "Removals", "Trial"]
