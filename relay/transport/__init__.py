"""The sockets under both banks: associations over Twisted's transports, and TLS."""
