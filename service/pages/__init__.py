"""The pages that people see: what each shows, and how it is written as HTML."""
