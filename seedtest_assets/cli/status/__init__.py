"""`seedtest status`: whether the nights run, and what needs a person."""
