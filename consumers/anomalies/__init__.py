"""What notices abuse: rules that look at the events one by one, and what makes findings of what they see."""
