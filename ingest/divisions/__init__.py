"""Administrative and statistical divisions: code tables (CSV) and boundary layers."""
