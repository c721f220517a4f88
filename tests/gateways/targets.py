"""Paths of requests: those that can be read in two ways, and those that cannot."""

AMBIGUOUS = (
    "/users/../admin/x",
    "/users/%2e%2e/admin/x",
    "/users/%2E./admin/x",
    "/users/..%2fadmin/x",
    "/users/%2e%2e%2fadmin/x",
    "/users/./../admin/x",
    "/users//../../admin/x",
    "/users/x/..;/../admin/x",
    "/users/..;/admin/x",
    "/users/..;a=b/admin/x",
    "/users/..%3b/admin/x",
    "/users/%2e%2e;/admin/x",
    "/users/..\\admin/x",
    "/users/..%5cadmin/x",
    "/users/..%5Cadmin/x",
    "/users\\..\\admin/x",
    "/users/%2e%2e",
    "/users/..",
    "//admin/x",
    "///admin/x",
    "/./admin/x",
    "/ADMIN/../users/../admin/x",
    "/admin/../users/x",
    "/admin/%2e%2e/users/x",
    "/admin/..%2fusers/x",
    "/admin/..%2Fusers/x",
    "/admin/..;/users/x",
    "/admin/..%5cusers/x",
    "/admin/..\\users/x",
    "/admin//../users/x",
    "/admin/./../users/x",
    "/admin/../health",
    "/admin/%2e%2e/health",
    "/admin/..%2fhealth",
    "/admin/x/../../health",
    "/users/../health",
    "/health/../admin/x",
    "/health%2f..%2fadmin/x",
    "/health/..;/admin/x",
    "/health#/../admin/x",
    "/admin/#/../../health",
)
"""An API that decodes, resolves dots, merges slashes, drops parameters of a segment or a fragment, or takes a backslash
for a slash, may read each of these otherwise than one that does not.
"""

HARMLESS = ("/users/a.b", "/users/.well-known/..a/b..", "/users/x;v=1/...", "/users/%C3%A9%20x")
"""Dots, semicolons and encoded letters are no reason to refuse."""
