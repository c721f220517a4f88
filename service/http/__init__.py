"""HTTP: requests and responses of the OAuth endpoints, the application, the server."""
