"""The device authorization grant (RFC 8628): the request of a device, and the pages on which a person decides."""
