"""What records say, for people: tables beside the paper's figures, and pictures."""
