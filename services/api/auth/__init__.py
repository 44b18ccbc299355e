"""Authentication: keys, sessions, proxies, wrong guesses."""
