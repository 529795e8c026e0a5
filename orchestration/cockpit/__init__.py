"""The credit cockpit: what people open in the morning, as files that need neither a server nor a network."""
