"""What surrounds every call: error mapping."""
