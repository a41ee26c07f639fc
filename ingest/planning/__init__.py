"""Planning control: layers of plans as zones with rules."""
