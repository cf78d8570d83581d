"""What can happen in the club: rules and SQL, one module a feature, given an open transaction."""
