"""Where weights come from: checkpoints, published weights of the parts, seeded random ones; and their labels."""
