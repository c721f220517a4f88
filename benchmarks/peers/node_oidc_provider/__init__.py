"""node-oidc-provider (npm: oidc-provider), in memory."""
