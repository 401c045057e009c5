"""What penalties mean, and why squared error blurs (tutorial T4)."""
