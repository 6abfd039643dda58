"""One crossing: a downstream association on its way through the relay. No Twisted in here."""
