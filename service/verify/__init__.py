"""Forward authentication: a gateway asks for each request whether it may pass."""
