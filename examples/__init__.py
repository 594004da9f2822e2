"""Small programs a user would start from; the tests run them."""
