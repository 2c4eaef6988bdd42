"""Three change requests to the careful shop, each carried out in both styles."""
