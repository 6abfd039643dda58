"""What the log says, pure: the fields and the words of an event, and how both become a line."""
