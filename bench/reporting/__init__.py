"""What records say, for people: tables beside the paper's values, and pictures."""
