"""What each method of the API does: checks, then one transaction that holds all of the change."""
