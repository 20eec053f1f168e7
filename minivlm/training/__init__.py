"""Training of the detector: what each box should learn, what that costs, and the numbers it was done with."""
