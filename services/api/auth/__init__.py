"""Who asks: doors, keys, guesses."""
