"""Keycloak (Maven: org.keycloak:keycloak-quarkus-dist), with its in-memory database and caches."""
