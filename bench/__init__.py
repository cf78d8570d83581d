"""`make bench`: what the product costs, measured from outside."""
