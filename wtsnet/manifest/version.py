"""Which wtsnet this is: manifests say what wrote them."""

VERSION = "0.2.0"
