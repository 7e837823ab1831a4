"""Write values as text, for the way out of an untrusted process, and read them."""
