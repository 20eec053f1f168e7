"""Photos: decoded with all their tones, fitted to a network's input, and drawn on."""
