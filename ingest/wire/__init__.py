"""What an exchange says: pure readers, no I/O."""
