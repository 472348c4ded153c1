"""What the stages of more than one domain need."""
