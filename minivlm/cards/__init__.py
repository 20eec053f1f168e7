"""Model cards: what a checkpoint was made of, how, and what it is worth, from the records of its making."""
