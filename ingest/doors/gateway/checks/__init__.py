"""What a request passes before it is sent, in this order; each file is one check."""
