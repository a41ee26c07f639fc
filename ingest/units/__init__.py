"""Units (户): tables of dwellings and other units inside buildings."""
