"""A world to learn in: composed pictures of drawn things, with everything that can truly be said about them."""
