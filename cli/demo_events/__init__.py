"""Believable events of our own: words by language in `texts/`, cities from GeoNames, currencies from CLDR."""
